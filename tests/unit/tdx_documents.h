/* TCB info and QE identity as Intel writes them, signed by nobody. */
#ifndef CLOISTER_TEST_TDX_DOCUMENTS_H
#define CLOISTER_TEST_TDX_DOCUMENTS_H

#define TDX_ZEROS_16 "0000000000000000"
#define TDX_ZEROS_96 TDX_ZEROS_16 TDX_ZEROS_16 TDX_ZEROS_16 TDX_ZEROS_16 TDX_ZEROS_16 TDX_ZEROS_16
#define TDX_SVNS_15                                                                        \
    "{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0}," \
    "{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0}," \
    "{\"svn\":0}"
#define TDX_SIGNATURE TDX_ZEROS_96 TDX_ZEROS_16 TDX_ZEROS_16

static const char tdx_tcb_info_text[] =
        "{\"tcbInfo\":{\"id\":\"TDX\",\"version\":3,\"issueDate\":\"2026-03-16T22:06:09Z\","
        "\"nextUpdate\":\"2026-04-15T22:06:09Z\",\"fmspc\":\"90c06f000000\",\"pceId\":\"0000\","
        "\"tcbType\":0,\"tcbEvaluationDataNumber\":18,\"tdxModule\":{\"mrsigner\":\"" TDX_ZEROS_96
        "\",\"attributes\":\"" TDX_ZEROS_16 "\",\"attributesMask\":\"FFFFFFFFFFFFFFFF\"},"
        "\"tdxModuleIdentities\":[{\"id\":\"TDX_0a\",\"mrsigner\":\"" TDX_ZEROS_96
        "\",\"attributes\":\"" TDX_ZEROS_16 "\",\"attributesMask\":\"FFFFFFFFFFFFFFFF\","
        "\"tcbLevels\":[{\"tcb\":{\"isvsvn\":3},\"tcbDate\":\"2024-11-13T00:00:00Z\","
        "\"tcbStatus\":\"UpToDate\"}]}],\"tcbLevels\":[{\"tcb\":{\"sgxtcbcomponents\":["
        "{\"svn\":3,\"category\":\"BIOS\",\"type\":\"Early Microcode Update\"}," TDX_SVNS_15
        "],\"pcesvn\":13,\"tdxtcbcomponents\":[{\"svn\":5}," TDX_SVNS_15
        "]},\"tcbDate\":\"2024-11-13T00:00:00Z\",\"tcbStatus\":\"OutOfDate\",\"advisoryIDs\":["
        "\"INTEL-SA-00837\",\"INTEL-SA-00960\"]}]},\"signature\":\"" TDX_SIGNATURE "\"}";

static const char tdx_qe_identity_text[] =
        "{\"enclaveIdentity\":{\"id\":\"TD_QE\",\"version\":2,\"issueDate\":"
        "\"2026-03-16T22:16:03Z\",\"nextUpdate\":\"2026-04-15T22:16:03Z\","
        "\"tcbEvaluationDataNumber\":18,\"miscselect\":\"01000002\",\"miscselectMask\":"
        "\"FFFFFFFF\",\"attributes\":\"1100000000000000" TDX_ZEROS_16 "\",\"attributesMask\":"
        "\"FBFFFFFFFFFFFFFF" TDX_ZEROS_16
        "\",\"mrsigner\":\"" TDX_ZEROS_16 TDX_ZEROS_16 TDX_ZEROS_16 TDX_ZEROS_16
        "\",\"isvprodid\":2,\"tcbLevels\":[{\"tcb\":{\"isvsvn\":4},"
        "\"tcbDate\":\"2024-11-13T00:00:00Z\",\"tcbStatus\":\"UpToDate\"}]},\"signature\":"
        "\"" TDX_SIGNATURE "\"}";

#endif
