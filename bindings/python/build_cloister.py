"""The C half of the package: cffi compiles it against the installed headers, so that the compiler holds what is said here to them."""
import os
import shlex
import subprocess

import cffi

DECLARED = """
enum clo_status { CLO_OK, CLO_ERR_REFUSED, CLO_ERR_UNVERIFIED, ... };
struct clo_error { enum clo_status status; char text[512]; ...; };
struct clo_error_code { char text[40]; };
struct clo_error_code clo_error_code(const struct clo_error *err);

struct clo_bytes { const uint8_t *data; size_t size; };
struct clo_buffer { uint8_t *data; size_t size; ...; };
void clo_buffer_free(struct clo_buffer *buffer);
const char *clo_version(void);

enum clo_hash { CLO_HASH_NONE, ... };
struct clo_digest { enum clo_hash hash; uint8_t bytes[64]; };
size_t clo_hash_size(enum clo_hash hash);
enum clo_hash clo_hash_from_name(const char *name);
const char *clo_event_algorithm_name(uint16_t algorithm);

bool clo_snp_verify_json(struct clo_bytes report, struct clo_bytes certificates, struct clo_bytes root, int64_t at,
                         struct clo_buffer *json, struct clo_error *err);

struct clo_eventlog;
struct clo_event_digest { uint16_t algorithm; struct clo_bytes bytes; };
struct clo_event { uint32_t pcr; uint32_t type; struct clo_bytes data; ...; };
bool clo_eventlog_parse(struct clo_bytes in, struct clo_eventlog **out, struct clo_error *err);
void clo_eventlog_free(struct clo_eventlog *log);
size_t clo_eventlog_count(const struct clo_eventlog *log);
const struct clo_event *clo_eventlog_at(const struct clo_eventlog *log, size_t index);
bool clo_eventlog_is_ccel(const struct clo_eventlog *log);
bool clo_event_digest_at(const struct clo_event *event, size_t index, struct clo_event_digest *out);
const char *clo_event_type_name(uint32_t type);
void clo_event_describe(const struct clo_event *event, struct clo_buffer *out);

struct clo_pcr_bank { struct clo_digest values[24]; uint32_t touched; ...; };
bool clo_eventlog_replay(const struct clo_eventlog *log, enum clo_hash hash, struct clo_pcr_bank *out, struct clo_error *err);

struct clo_evidence;
struct clo_policy;
struct clo_reference;
struct clo_appraisal;
struct clo_appraise_inputs {
    const struct clo_policy *policy;
    const struct clo_reference *const *references;
    size_t reference_count;
    struct clo_bytes expected_nonce;
    int64_t at;
    ...;
};
bool clo_evidence_parse(struct clo_bytes json, struct clo_evidence **out, struct clo_error *err);
void clo_evidence_free(struct clo_evidence *evidence);
bool clo_policy_parse(struct clo_bytes json, struct clo_policy **out, struct clo_error *err);
void clo_policy_free(struct clo_policy *policy);
bool clo_reference_parse(struct clo_bytes json, struct clo_reference **out, struct clo_error *err);
void clo_reference_free(struct clo_reference *reference);
bool clo_appraise(const struct clo_evidence *evidence, const struct clo_appraise_inputs *inputs, struct clo_appraisal **out,
                  struct clo_error *err);
void clo_appraisal_free(struct clo_appraisal *appraisal);
bool clo_appraisal_releases(const struct clo_appraisal *appraisal, struct clo_error *err);
bool appraisal_text(const struct clo_appraisal *appraisal, struct clo_buffer *out, struct clo_error *err);
"""

SOURCE = """
#include <cloister/cloister.h>

/* JSON leaves C as text: Jansson stays out of Python. */
static bool appraisal_text(const struct clo_appraisal *appraisal, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = clo_appraisal_json(appraisal);

    return json == NULL ? clo_out_of_memory(err) : clo_json_write(json, out, err);
}
"""


def flags(kind):
    """What pkg-config says of the library: --cflags-only-I without -I and so on."""
    tool = os.environ.get("PKG_CONFIG", "pkg-config")
    words = shlex.split(subprocess.check_output([tool, f"--{kind}", "cloister"], text=True))
    return [word[2:] for word in words]


builder = cffi.FFI()
builder.cdef(DECLARED)
builder.set_source(
    "cloister._c",
    SOURCE,
    include_dirs=flags("cflags-only-I"),
    library_dirs=flags("libs-only-L"),
    libraries=flags("libs-only-l"),
)

if __name__ == "__main__":
    builder.compile(verbose=True)
