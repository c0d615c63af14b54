/* What each check is about, in words: headings are never ids. */
#include <stdlib.h>
#include <string.h>

#include "page.h"

const char *page_check_words(const struct page *page, const char *id)
{
    const struct {
        const char *id, *words;
    } known[] = {
        { "evidence.nonce", T("The number that was given out") },
        { "snp.leaf", T("The chip's certificate") },
        { "snp.chain", T("The chain of certificates") },
        { "tdx.pck_chain", T("The chain of certificates") },
        { "snp.root", T("The root of trust") },
        { "tdx.root", T("The root of trust") },
        { "snp.validity", T("The validity of the certificates") },
        { "tdx.validity", T("The validity of the certificates") },
        { "snp.revocation", T("Revocation") },
        { "tdx.revocation", T("Revocation") },
        { "tdx.root_crl", T("The root's revocation list") },
        { "tdx.pck_crl", T("The issuer's revocation list") },
        { "snp.signature", T("The processor's signature") },
        { "tdx.quote_signature", T("The processor's signature") },
        { "snp.signer", T("The key that signs") },
        { "snp.product", T("The kind of processor") },
        { "snp.chip", T("The chip's identity") },
        { "snp.tcb", T("The version of the processor's software") },
        { "tdx.tcb", T("The version of the processor's software") },
        { "tdx.tcb_status", T("The version of the processor's software") },
        { "snp.report_data", T("What the evidence was made for") },
        { "tdx.report_data", T("What the evidence was made for") },
        { "tdx.freshness", T("The age of what Intel has signed") },
        { "tdx.tcb_info", T("What Intel says of this platform") },
        { "tdx.qe_identity", T("Intel's quoting enclave") },
        { "tdx.fmspc", T("What Intel says of this platform") },
        { "tdx.qe_report", T("Intel's quoting enclave") },
        { "tdx.qe_binding", T("Intel's quoting enclave") },
        { "tdx.qe", T("Intel's quoting enclave") },
        { "tdx.module", T("The TDX module") },
        { "hcl.binding", T("The virtual TPM's tie to the processor") },
        { "hcl.ak", T("The virtual TPM's key") },
        { "hcl.tdreport", T("The virtual TPM's tie to the processor") },
        { "nitro.signature", T("The cloud's signature") },
        { "nitro.chain", T("The chain of certificates") },
        { "nitro.root", T("The root of trust") },
        { "nitro.validity", T("The validity of the certificates") },
        { "nitro.timestamp", T("The age of the evidence") },
        { "nitro.nonce", T("What the evidence was made for") },
        { "tpm.quote.signature", T("The virtual TPM's signature") },
        { "tpm.quote.nonce", T("What the virtual TPM's signature was made for") },
        { "tpm.pcrs", T("The registers that were sent") },
        { "eventlog.replay", T("The log of the boot") },
        { "pcr", T("The registers of the boot") },
        { "pcr.0", T("The firmware") },
        { "pcr.4", T("The program that was started") },
        { "pcr.5", T("The partition table") },
        { "pcr.7", T("The Secure Boot settings") },
        { "pcr.9", T("The start programs") },
        { "pcr.11", T("The boot file and its parts") },
        { "pcr.12", T("The command line that was added") },
        { "pcr.15", T("The disk's key") },
        { "mr_td", T("The firmware") },
        { "rtmr.0", T("The firmware's settings") },
        { "rtmr.1", T("The program that was started") },
        { "rtmr.2", T("The boot file and its parts") },
        { "policy", T("The policy") },
        { "policy.debug", T("Debugging by the host") },
        { "policy.migration", T("Migration by the host") },
        { "policy.tcb", T("The minimum version that the policy demands") },
        { "policy.tcb_status", T("The minimum version that the policy demands") },
        { "policy.measurement", T("The launch measurement") },
        { "policy.mr_td", T("The launch measurement") },
        { "policy.root", T("The root of trust") },
        { "policy.revocation", T("Revocation") },
        { "policy.freshness", T("Freshness") },
        { "policy.chip_id", T("The chip's identity") },
        { "policy.pcrs", T("The registers that the policy demands") },
    };

    for (size_t i = 0; i < CLO_COUNT(known); i++)
        if (strcmp(known[i].id, id) == 0)
            return known[i].words;
    if (strncmp(id, "policy.", 7) == 0)
        return T("A demand of the policy");
    if (strncmp(id, "expect.", 7) == 0)
        return T("A value that was demanded");
    return strncmp(id, "pcr.", 4) == 0 || strncmp(id, "rtmr.", 5) == 0 ? T("A register of the boot")
                                                                       : NULL;
}

/* --- Remedies that the audit makes from a rule --- */

/* One step: a word of ours, what it is about, and what comes after. */
static bool put_step(const struct page *page, const char *step, size_t size, struct clo_buffer *out)
{
    const struct {
        const char *before, *after, *translated;
    } forms[] = {
        { "set ", "", T("set %s") },
        { "leave ", " unset", T("leave %s unset") },
        { "put ", " on the command line", T("put %s on the command line") },
        { "take ", " off the command line", T("take %s off the command line") },
    };

    for (size_t i = 0; i < CLO_COUNT(forms); i++) {
        size_t before = strlen(forms[i].before), after = strlen(forms[i].after);
        const char *gap = strstr(forms[i].translated, "%s");
        if (gap == NULL || size < before + after || strncmp(step, forms[i].before, before) != 0 ||
            strncmp(step + size - after, forms[i].after, after) != 0)
            continue;
        clo_buffer_append(out, clo_bytes(forms[i].translated, (size_t)(gap - forms[i].translated)));
        clo_buffer_append(out, clo_bytes(step + before, size - before - after));
        clo_buffer_text(out, gap + 2);
        return true;
    }
    return false;
}

/* "set A=y, or =m with a.ko in the initrd; or set B=y" is not only options: what is left over keeps its
 * English words, and the remedy says that it is English. */
static bool translate_remedy(const struct page *page, const char *text, struct clo_buffer *out)
{
    const struct {
        const char *english, *translated;
    } joints[] = {
        { "; or ", T("; or ") },
        { ", and ", T(", and ") },
    };

    while (*text != '\0') {
        const char *end = text + strlen(text);
        size_t joint = CLO_COUNT(joints);
        for (size_t i = 0; i < CLO_COUNT(joints); i++) {
            const char *found = strstr(text, joints[i].english);
            if (found != NULL && found < end) {
                end = found;
                joint = i;
            }
        }
        if (memmem(text, (size_t)(end - text), ", or =m", 7) != NULL ||
            !put_step(page, text, (size_t)(end - text), out))
            return false;
        if (joint == CLO_COUNT(joints))
            break;
        clo_buffer_text(out, joints[joint].translated);
        text = end + strlen(joints[joint].english);
    }
    return clo_buffer_ok(out);
}

/* "set CONFIG_A=y, or =m with a.ko in the initrd" */
static bool translate_module(const struct page *page, const char *text, struct clo_buffer *out)
{
    static const char between[] = ", or =m with ", after[] = " in the initrd";
    const char *middle = strstr(text, between);
    size_t size = strlen(text);

    if (middle == NULL || strncmp(text, "set ", 4) != 0 || strstr(middle + 1, between) != NULL ||
        size < sizeof after || strcmp(text + size - strlen(after), after) != 0)
        return false;
    if (!put_step(page, text, (size_t)(middle - text), out))
        return false;
    const char *form = T(", or =m with %s in the initrd");
    const char *gap = strstr(form, "%s");
    if (gap == NULL)
        return false;
    clo_buffer_append(out, clo_bytes(form, (size_t)(gap - form)));
    clo_buffer_append(out,
                      clo_bytes(middle + strlen(between),
                                size - (size_t)(middle - text) - strlen(between) - strlen(after)));
    clo_buffer_text(out, gap + 2);
    return clo_buffer_ok(out);
}

void page_remedy(const struct page *page, const char *tag, const char *text)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer module = { 0 };

    if (strcmp(T(text), text) != 0)
        page_element(page, tag, T(text));
    else if (translate_module(page, text, &module))
        page_element(page, tag, clo_buffer_string(&module));
    else if (translate_remedy(page, text, &out))
        page_element(page, tag, clo_buffer_string(&out));
    else
        page_quoted(page, tag, text);
}
