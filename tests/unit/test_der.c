#include "lib/base/der.h"

#include "test.h"

static void elements(void **state)
{
    static const struct {
        const char *name, *hex;
        bool holds;
    } cases[] = {
        { "empty SEQUENCE", "3000", true },
        { "127 bytes in the long form", "30817f", false },
        { "length without bytes", "3080", false },
        { "five length bytes", "30850000000001 00", false },
        { "length with a zero in front", "3082000100", false },
        { "cut short", "300201", false },
        { "tag of two bytes", "1f8100", false },
        { "tag 0", "0000", false },
        { "nothing", "", false },
        { "length as large as can be", "3084ffffffff00", false },
        { "NULL", "0500", true },
        { "NULL of one byte", "050100", false },
        { "a NULL made of elements", "2500", false },
        { "a SEQUENCE that is not", "1000", false },
        { "TRUE as BER has it", "010101", false },
        { "INTEGER without a byte", "0200", false },
        { "ENUMERATED with a needless byte", "0a020001", false },
        { "OID that breaks off", "060181", false },
        { "a bit among those that do not count", "03020506", false },
        { "an OCTET STRING of the same", "04020506", true },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_reader r = clo_reader(from_hex(cases[i].hex, &bytes));
        struct clo_der element = clo_der_next(&r);
        CHECK(clo_reader_ok(&r) == cases[i].holds, cases[i].name);
        CHECK(cases[i].holds || (element.tag == 0 && element.whole.size == 0), cases[i].name);
    }
}

static void long_form(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    (void)state;
    clo_buffer_append(&bytes, clo_bytes("\x04\x81\x80", 3));
    clo_buffer_zero(&bytes, 128);
    struct clo_reader r = clo_reader(clo_buffer_bytes(&bytes));
    struct clo_der element = clo_der_next(&r);
    CHECK(clo_der_done(&r) && element.value.size == 128 && element.whole.size == 131, "128 bytes");
}

static void written_and_read(void **state)
{
    static const size_t sizes[] = { 0, 1, 127, 128, 255, 256, 65535, 65536 };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(sizes); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        clo_buffer_zero(&value, sizes[i]);
        clo_der_write(&bytes, CLO_DER_OCTET_STRING, clo_buffer_bytes(&value));
        struct clo_reader r = clo_reader(clo_buffer_bytes(&bytes));
        CHECK(clo_der_value(&r, CLO_DER_OCTET_STRING).size == sizes[i], "as it was written");
        CHECK(clo_der_done(&r), "and no more");
    }
}

static void integers(void **state)
{
    static const struct {
        const char *name, *hex;
        bool is_integer, is_number;
        int64_t number;
    } cases[] = {
        { "0", "020100", true, true, 0 },
        { "127", "02017f", true, true, 127 },
        { "128", "02020080", true, true, 128 },
        { "-1", "0201ff", true, false, 0 },
        { "-128 in two bytes", "0202ff80", false, false, 0 },
        { "1 in two bytes", "02020001", false, false, 0 },
        { "without bytes", "0200", false, false, 0 },
        { "2^63-1", "02087fffffffffffffff", true, true, INT64_MAX },
        { "2^63", "0209008000000000000000", true, false, 0 },
        { "another tag", "0a0101", true, false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_reader r = clo_reader(from_hex(cases[i].hex, &bytes));
        struct clo_reader again = r;
        CHECK(clo_der_is_integer(clo_der_next(&again).value) == cases[i].is_integer, cases[i].name);
        CHECK(clo_der_number(&r) == cases[i].number, cases[i].name);
        CHECK(clo_reader_ok(&r) == cases[i].is_number, cases[i].name);
    }
}

static void small_types(void **state)
{
    static const struct {
        const char *name, *hex;
        bool is_boolean, is_bits, is_flags;
        unsigned flags;
    } cases[] = {
        { "TRUE", "0101ff", true, false, false, 0 },
        { "TRUE as BER has it", "010101", false, false, false, 0 },
        { "BOOLEAN of two bytes", "0102ffff", false, false, false, 0 },
        { "bit strings of no bits", "030100", false, true, true, 0 },
        { "no count of unused bits", "0300", false, false, false, 0 },
        { "unused bits of no byte", "030101", false, false, false, 0 },
        { "eight unused bits", "03020800", false, false, false, 0 },
        { "keyCertSign and cRLSign", "03020106", false, false, true, 0x60 },
        { "decipherOnly", "0303070080", false, false, true, 0x100 },
        { "keyCertSign where bits do not count", "03020506", false, false, false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_reader boolean = clo_reader(from_hex(cases[i].hex, &bytes));
        struct clo_reader bits = boolean;
        struct clo_reader flags = boolean;
        CHECK(clo_der_boolean(&boolean) == cases[i].is_boolean, cases[i].name);
        CHECK(clo_reader_ok(&boolean) == cases[i].is_boolean, cases[i].name);
        clo_der_bit_string(&bits);
        CHECK(clo_reader_ok(&bits) == cases[i].is_bits, cases[i].name);
        CHECK(clo_der_flags(&flags) == cases[i].flags, cases[i].name);
        CHECK(clo_reader_ok(&flags) == cases[i].is_flags, cases[i].name);
    }
}

static void times(void **state)
{
    static const struct {
        uint8_t tag;
        const char *text;
        int64_t time; /* -1: refused; none of the cases is a second before 1970 */
    } cases[] = {
        { CLO_DER_UTC_TIME, "700101000000Z", 0 },
        { CLO_DER_UTC_TIME, "260101000000Z", 1767225600 },
        { CLO_DER_UTC_TIME, "491231235959Z", 2524607999 },
        { CLO_DER_UTC_TIME, "500101000000Z", -631152000 },
        { CLO_DER_UTC_TIME, "240229120000Z", 1709208000 },
        { CLO_DER_GENERALIZED_TIME, "20500101000000Z", 2524608000 },
        { CLO_DER_GENERALIZED_TIME, "99991231235959Z", 253402300799 },
        { CLO_DER_GENERALIZED_TIME, "00000101000000Z", -62167219200 },
        { CLO_DER_GENERALIZED_TIME, "21000228000000Z", 4107456000 },
        { CLO_DER_GENERALIZED_TIME, "21000229000000Z", -1 },
        { CLO_DER_UTC_TIME, "230229120000Z", -1 },
        { CLO_DER_UTC_TIME, "2601010000Z", -1 },
        { CLO_DER_UTC_TIME, "260101000000+0000", -1 },
        { CLO_DER_UTC_TIME, "260101000000z", -1 },
        { CLO_DER_UTC_TIME, "260001000000Z", -1 },
        { CLO_DER_UTC_TIME, "261301000000Z", -1 },
        { CLO_DER_UTC_TIME, "260100000000Z", -1 },
        { CLO_DER_UTC_TIME, "260101240000Z", -1 },
        { CLO_DER_UTC_TIME, "260101006000Z", -1 },
        { CLO_DER_UTC_TIME, "260101000060Z", -1 },
        { CLO_DER_UTC_TIME, "26 101000000Z", -1 },
        { CLO_DER_UTC_TIME, "20500101000000Z", -1 },
        { CLO_DER_GENERALIZED_TIME, "20500101000000.5Z", -1 },
        { CLO_DER_GENERALIZED_TIME, "260101000000Z", -1 },
        { CLO_DER_OCTET_STRING, "260101000000Z", -1 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        clo_buffer_u8(&bytes, cases[i].tag);
        clo_buffer_u8(&bytes, (uint8_t)strlen(cases[i].text));
        clo_buffer_text(&bytes, cases[i].text);
        struct clo_reader r = clo_reader(clo_buffer_bytes(&bytes));
        int64_t time = clo_der_time(&r);
        CHECK(clo_reader_ok(&r) == (cases[i].time != -1), cases[i].text);
        CHECK(!clo_reader_ok(&r) || time == cases[i].time, cases[i].text);
    }
}

static void object_identifiers(void **state)
{
    static const struct {
        const char *text, *hex; /* hex NULL: refused */
    } cases[] = {
        { "2.5.29.19", "551d13" },
        { "1.2.840.113741.1.13.1", "2a864886f84d010d01" },
        { "0.9.2342.19200300.100.1.1", "0992268993f22c640101" },
        { "2.999.3", "883703" },
        { "1.3.4294967295", "2b8fffffff7f" },
        { "1.3.4294967296", NULL },
        { "1.40.1", NULL },
        { "3.1.1", NULL },
        { "1", NULL },
        { "1.2.", NULL },
        { "1..2", NULL },
        { "no OID", NULL },
        { "", NULL },
        { "1.3.4294967295.4294967295.4294967295.4294967295", NULL }, /* longer than 16 bytes */
    };
    static const struct {
        const char *hex, *text;
    } wrong[] = { { "", "?" }, { "2b80", "?" }, { "2bffffffffff7f", "?" } };
    char text[64];

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };
        uint8_t bytes[16];
        size_t size;
        bool ok = clo_der_oid_from_text(cases[i].text, bytes, sizeof bytes, &size);
        CHECK(ok == (cases[i].hex != NULL), cases[i].text);
        if (!ok)
            continue;
        from_hex(cases[i].hex, &expected);
        CHECK(clo_bytes_equal(clo_bytes(bytes, size), clo_buffer_bytes(&expected)), cases[i].text);
        clo_der_oid_text(clo_bytes(bytes, size), text, sizeof text);
        CHECK(strcmp(text, cases[i].text) == 0, text);
        clo_der_oid_text(clo_bytes(bytes, size), text, 4); /* cut, never after its end */
        CHECK(strncmp(text, cases[i].text, 3) == 0 && text[3] == '\0', text);
    }
    for (size_t i = 0; i < CLO_COUNT(wrong); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        clo_der_oid_text(from_hex(wrong[i].hex, &bytes), text, sizeof text);
        CHECK(strcmp(text, wrong[i].text) == 0, wrong[i].hex);
    }
}

static void object_identifiers_read(void **state)
{
    static const struct {
        const char *name, *hex;
        bool holds;
    } cases[] = {
        { "two numbers", "06022b04", true },
        { "a long number", "06052bffffff7f", true },
        { "breaks off inside a number", "06022b81", false },
        { "a number with zeros in front", "06032b8004", false },
        { "its first number with zeros in front", "0602802b", false },
        { "no number at all", "0600", false },
        { "another type", "04022b04", false },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_reader r = clo_reader(from_hex(cases[i].hex, &bytes));
        struct clo_bytes oid = clo_der_value(&r, CLO_DER_OID);
        CHECK(clo_der_done(&r) == cases[i].holds, cases[i].name);
        CHECK(!cases[i].holds || oid.size != 0, cases[i].name);
    }
}

static void entering(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_bytes in = from_hex("3006 0201 05 040155", &bytes);
    struct clo_bytes value;

    (void)state;
    struct clo_reader r = clo_reader(in);
    struct clo_reader inside = clo_der_enter(&r, CLO_DER_SEQUENCE);
    CHECK(clo_der_number(&inside) == 5, "number");
    CHECK(!clo_der_optional(&inside, CLO_DER_SEQUENCE, &value), "nothing read");
    CHECK(clo_der_optional(&inside, CLO_DER_OCTET_STRING, &value) && value.data[0] == 0x55, "read");
    CHECK(clo_der_peek(&inside) == 0, "at the end");
    CHECK(clo_der_done(&inside) && clo_der_done(&r), "done");
    for (size_t size = 0; size < in.size; size++) {
        r = clo_reader(clo_bytes_slice(in, 0, size));
        inside = clo_der_enter(&r, CLO_DER_SEQUENCE);
        CHECK(!clo_reader_ok(&inside) && !clo_reader_ok(&r), "cut short");
        clo_der_value(&inside, CLO_DER_INTEGER);
        CHECK(!clo_der_done(&inside), "stays failed");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements),           cmocka_unit_test(long_form),
        cmocka_unit_test(written_and_read),   cmocka_unit_test(integers),
        cmocka_unit_test(small_types),        cmocka_unit_test(times),
        cmocka_unit_test(object_identifiers), cmocka_unit_test(object_identifiers_read),
        cmocka_unit_test(entering),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
