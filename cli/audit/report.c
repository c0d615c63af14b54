/* cloister report: an audit, an appraisal or an image as a page for people. */
#include <libintl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/stranger.h"
#include "cloister/report.h"
#include "device/file.h"

#define DOCUMENTS_MAX 3

static const char *const languages[] = { "en", "fr" };

static const char *translated(const char *text)
{
    return gettext(text);
}

static const char *untranslated(const char *text)
{
    return text;
}

/* gettext(3) takes LANGUAGE before the locale, and C.UTF-8 is a locale that every system has. */
static bool choose_language(const char *language, struct clo_report_input *input,
                            struct clo_error *err)
{
    const char *folder = getenv("CLOISTER_LOCALEDIR");
    size_t i = 0;

    while (i < CLO_COUNT(languages) && strcmp(languages[i], language) != 0)
        i++;
    if (i == CLO_COUNT(languages))
        return clo_fail(err, CLO_ERR_USAGE, "--language: '%.20s' is neither en nor fr", language);
    input->language = language;
    input->translate = untranslated;
    if (strcmp(language, "en") == 0)
        return true;
    if (setlocale(LC_MESSAGES, "C.UTF-8") == NULL || setenv("LANGUAGE", language, 1) != 0 ||
        bindtextdomain("cloister", folder == NULL ? CLOISTER_LOCALE_PATH : folder) == NULL ||
        bind_textdomain_codeset("cloister", "UTF-8") == NULL || textdomain("cloister") == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "--language %s: the translation cannot be used",
                        language);
    /* The header of every catalogue translates the empty text. */
    if (*gettext("") == '\0')
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "--language %s: no catalogue in %s", language,
                        folder == NULL ? CLOISTER_LOCALE_PATH : folder);
    input->translate = translated;
    return true;
}

static bool read_document(const char *path, json_t **out, struct clo_report_input *input,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (!clo_file_read(path, CLO_FILE_LIMIT, &text, err))
        return false;
    if (!clo_json_parse(clo_buffer_bytes(&text), out, err) || !clo_report_take(input, *out, err))
        return clo_wrap(err, "%s", path) ||
               cli_stranger(path, "a document that --json writes", NULL, err);
    return true;
}

static bool write_page(const struct clo_report_input *input, const char *output,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer page = { 0 };

    if (!clo_report_write(input, &page, err))
        return false;
    if (output != NULL)
        return clo_file_write(output, clo_buffer_bytes(&page), 0644, err);
    cli_print(clo_buffer_bytes(&page));
    return true;
}

static bool run(const struct clo_list *files, const char *language, const char *output,
                const char *at, struct clo_report_input *input, struct clo_error *err)
{
    json_t *documents[DOCUMENTS_MAX] = { NULL };
    bool ok = cli_time(at, &input->now, err) && choose_language(language, input, err);

    for (size_t i = 0; i < files->count && ok; i++)
        ok = read_document(files->items[i], &documents[i], input, err);
    ok = ok && write_page(input, output, err);
    for (size_t i = 0; i < DOCUMENTS_MAX; i++)
        json_decref(documents[i]);
    return ok;
}

int cmd_report(int argc, char **argv)
{
    struct clo_report_input input = { .version = CLOISTER_VERSION };
    const char *language = "en", *output = NULL, *at = NULL;
    const struct cli_option options[] = {
        { "--language", "en|fr", "of the page (en)", .text = &language, .values = "en fr" },
        { "--title", "TEXT", "what the report is about", .text = &input.title },
        { "--output", "FILE", "write the page there, not to standard output", .text = &output },
        { "--no-annex", NULL, "leave out the annex for the auditor", .flag = &input.without_annex },
        { "--at", "TIME", "the time that the page says, RFC 3339 (now)", .text = &at },
    };
    const struct cli_usage usage = {
        .command = "report",
        .arguments = "JSON…",
        .operands = { "one to three JSON documents", 1, DOCUMENTS_MAX },
        .summary = "Answers on one HTML page whether a machine can keep a secret from its cloud: "
                   "yes, no, or\n"
                   "not shown. Made from what 'audit', 'verify' and 'image inspect' print with "
                   "--json, "
                   "which\nhave to be of one machine and one image. The page loads nothing, and "
                   "prints.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example =
                "  cloister audit disk.img --config linux-image.deb --for snp --json >audit.json\n"
                "  cloister verify evidence.json --policy policy.json --reference disk.ref.json "
                "\\\n"
                "      --reference firmware.ref.json --nonce 6368 --json >appraisal.json\n"
                "  cloister image inspect disk.img --json >image.json\n"
                "  cloister report audit.json appraisal.json image.json --output report.html\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    return run(&operands, language, output, at, &input, &err) ? CLI_YES : cli_error(&err);
}
