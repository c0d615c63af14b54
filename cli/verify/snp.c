#include <string.h>

#include "cli/evidence/file.h"
#include "cli/verify/common.h"
#include "cloister/encoding.h"
#include "cloister/id_block.h"
#include "device/file.h"

/* The value after "id-block=" in the line that QEMU takes; all of it if there is none. */
static struct clo_bytes option_value(struct clo_bytes in, const char *key)
{
    const uint8_t *at = in.size == 0 ? NULL : memmem(in.data, in.size, key, strlen(key));
    size_t size = 0;

    if (at == NULL)
        return in;
    struct clo_bytes rest = clo_bytes_slice(in, (size_t)(at - in.data) + strlen(key), in.size);
    while (size < rest.size && strchr(",\r\n ", rest.data[size]) == NULL)
        size++;
    return clo_bytes_slice(rest, 0, size);
}

/* Bytes of a known size: as they are, in base64, or in the line that QEMU takes. */
static bool read_id_file(const char *path, const char *key, size_t size, struct clo_buffer *out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_error ignored;

    if (!clo_file_read(path, CLO_FILE_LIMIT, &file, err))
        return false;
    struct clo_bytes in = clo_buffer_bytes(&file);
    if (in.size == size) {
        clo_buffer_append(out, in);
        return clo_buffer_ok(out) || clo_out_of_memory(err);
    }
    in = option_value(in, key);
    while (in.size > 0 && (in.data[in.size - 1] == '\n' || in.data[in.size - 1] == '\r'))
        in.size--;
    if (!clo_base64_read(in, out, &ignored) || out->size != size)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: neither %zu bytes nor as many in base64", path,
                        size);
    return true;
}

struct id_files {
    const char *block, *auth;
    struct clo_buffer block_bytes, auth_bytes;
};

static void id_files_free(struct id_files *files)
{
    clo_buffer_free(&files->block_bytes);
    clo_buffer_free(&files->auth_bytes);
}

static bool load_id_files(struct id_files *files, struct clo_appraise_inputs *inputs,
                          struct clo_error *err)
{
    if (files->block == NULL)
        return files->auth == NULL ||
               clo_fail(err, CLO_ERR_USAGE, "--id-auth is of an --id-block, which is missing");
    const char *auth = files->auth == NULL ? files->block : files->auth;
    if (!read_id_file(files->block, "id-block=", CLO_SNP_ID_BLOCK_SIZE, &files->block_bytes, err) ||
        !read_id_file(auth, "id-auth=", CLO_SNP_ID_AUTH_SIZE, &files->auth_bytes, err))
        return false;
    inputs->id_block = clo_buffer_bytes(&files->block_bytes);
    inputs->id_auth = clo_buffer_bytes(&files->auth_bytes);
    return true;
}

/* What Azure holds of its container policy in HOST_DATA: SHA-256 of the text. */
static bool load_container_policy(const char *path, struct clo_digest *out,
                                  struct clo_appraise_inputs *inputs, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (path == NULL)
        return true;
    if (!verify_read_maybe_base64(path, NULL, &text, err))
        return false;
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&text), out);
    inputs->init_data = clo_digest_bytes(out);
    return true;
}

int cmd_verify_snp(int argc, char **argv)
{
    struct verify_options o = { 0 };
    const char *container_policy = NULL;
    struct clo_digest container_digest;
    CLO_CLEANUP(id_files_free) struct id_files id = { 0 };
    struct cli_option table[VERIFY_OPTIONS_MAX] = {
        { .name = "--id-block",
          .argument = "FILE",
          .help = "the ID block of the launch: its bytes, base64, or QEMU's option line",
          .text = &id.block },
        { .name = "--id-auth",
          .argument = "FILE",
          .help = "what authenticates it, in the same forms (from the --id-block file)",
          .text = &id.auth },
        { .name = "--container-policy",
          .argument = "FILE",
          .help = "Azure's policy for the guest's containers, as text or in base64: HOST_DATA must "
                  "hold\nits SHA-256",
          .text = &container_policy },
    };
    size_t count = 3;
    verify_add_options(&o, table, &count);
    verify_add_endorsement_options(&o, table, &count);
    fetch_add_options(&o.fetch, table, &count);
    const struct cli_usage usage = {
        .command = "verify snp",
        .arguments = "REPORT",
        .operands = { "one report", 1, 1 },
        .summary =
                "Checks an SEV-SNP report: bare, with a certificate table, in the kernel's "
                "response "
                "buffer,\nin hex or base64, or in the JSON of another verifier's client. AMD's own "
                "intermediate\ncertificates are built in.",
        .options = table,
        .option_count = count,
        .example = "  cloister verify snp report.bin --cert vcek.der --policy strict\n",
    };
    CLO_CLEANUP(verify_inputs_free) struct verify_inputs inputs = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!verify_begin(&o, &inputs, &evidence, &err) || !load_id_files(&id, &inputs.inputs, &err) ||
        !load_container_policy(container_policy, &container_digest, &inputs.inputs, &err) ||
        !evidence_file_add(operands.items[0], CLO_EVIDENCE_SNP_REPORT, evidence, &err))
        return verify_fail(&err);
    return verify_run(evidence, &o, &inputs);
}
