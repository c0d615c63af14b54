/* UKIs built, signed, measured, verified: whole processes of ours next to ukify, systemd-measure, sbsign, sbverify and
 * pesign, in turn in each round, with the most memory that each of them had (ru_maxrss). FOLDER on a tmpfs shows the work
 * itself: ours does an fsync, the others do not. What is not installed is left out. */
#include <string.h>

#include "device/file.h"
#include "process.h"

#define WORDS_MAX 40
#define WORD_MAX  4096

/* What a command is made of: %c is our program, %k kernel, %i initrd, %s stub, %f the folder. */
struct job {
    const char *name;
    double goal; /* how many times as fast, at least */
    const char *ours;
    const char *theirs;
};

static const struct job jobs[] = {
    { "UKI, unsigned", 5,
      "%c uki build --kernel %k --initrd %i --cmdline quiet --uname 6.1 --stub %s --output "
      "%f/u.efi",
      "ukify build --linux=%k --initrd=%i --cmdline=quiet --os-release=ID=x --uname=6.1 --stub=%s "
      "--output=%f/pu.efi" },
    { "UKI, signed", 5,
      "%c uki build --kernel %k --initrd %i --cmdline quiet --uname 6.1 --stub %s --key %f/db.key "
      "--cert %f/db.crt --output %f/s.efi",
      "ukify build --linux=%k --initrd=%i --cmdline=quiet --os-release=ID=x --uname=6.1 --stub=%s "
      "--secureboot-private-key=%f/db.key --secureboot-certificate=%f/db.crt --output=%f/ps.efi" },
    { "UKI, signed, with a PCR policy", 4,
      "%c uki build --kernel %k --initrd %i --cmdline quiet --uname 6.1 --stub %s --key %f/db.key "
      "--cert %f/db.crt --pcr-key %f/pcr.key --output %f/p.efi",
      "ukify build --linux=%k --initrd=%i --cmdline=quiet --os-release=ID=x --uname=6.1 --stub=%s "
      "--secureboot-private-key=%f/db.key --secureboot-certificate=%f/db.crt "
      "--pcr-private-key=%f/pcr.key --pcr-public-key=%f/pcr.pub --pcr-banks=sha256 "
      "--phases=enter-initrd --output=%f/pp.efi" },
    { "PCR 11, one bank", 1 / 1.1, "%c uki policy %f/s.efi --bank sha256",
      "systemd-measure calculate --linux=%k --initrd=%i --cmdline=%f/cmdline --bank=sha256" },
    { "PCR 11, four banks", 1.8,
      "%c uki policy %f/s.efi --bank sha1 --bank sha256 --bank sha384 --bank sha512",
      "systemd-measure calculate --linux=%k --initrd=%i --cmdline=%f/cmdline" },
    { "sign", 2, "%c uki sign %f/u.efi --key %f/db.key --cert %f/db.crt --output %f/signed.efi",
      "sbsign --key %f/db.key --cert %f/db.crt --output %f/psigned.efi %f/u.efi" },
    { "verify", 1.2, "%c uki verify %f/s.efi --cert %f/db.crt",
      "sbverify --cert %f/db.crt %f/s.efi" },
    { "Authenticode digest", 2, "%c uki inspect %f/s.efi --authenticode sha256",
      "pesign -h -i %f/s.efi" },
};

struct places {
    const char *program, *stub, *kernel, *initrd, *folder;
};

static const char *place(const struct places *places, char letter)
{
    switch (letter) {
    case 'c':
        return places->program;
    case 'k':
        return places->kernel;
    case 'i':
        return places->initrd;
    case 's':
        return places->stub;
    default:
        return places->folder;
    }
}

/* Cuts a template into words, and puts the places in. */
static void expand(const char *template, const struct places *places, char *room, char **words)
{
    size_t count = 0;
    char *to = room;

    words[count++] = to;
    for (; *template != '\0'; template ++) {
        if (*template == ' ') {
            *to++ = '\0';
            words[count++] = to;
        } else if (*template == '%') {
            to = stpcpy(to, place(places, *++template));
        } else {
            *to++ = *template;
        }
    }
    *to = '\0';
    words[count] = NULL;
}

/* False: it is not installed. */
static bool run(const char *template, const struct places *places, struct bench_processes *out)
{
    static char room[WORDS_MAX * WORD_MAX];
    char *words[WORDS_MAX] = { NULL };

    expand(template, places, room, words);
    return bench_process(words, out);
}

static void measure(const struct job *job, const struct places *places, unsigned rounds)
{
    struct bench_processes ours = { 0 }, theirs = { 0 }, first = { 0 };
    char name[40];

    run(job->ours, places, &first); /* warm up */
    bool is_installed = run(job->theirs, places, &first);
    for (unsigned i = 0; i < rounds; i++) {
        run(job->ours, places, &ours);
        if (is_installed)
            run(job->theirs, places, &theirs);
    }
    snprintf(name, sizeof name, "%.*s", (int)strcspn(job->theirs, " "), job->theirs);
    bench_process_compare(job->name, &ours, name, &theirs, job->goal);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 6 ? (unsigned)atoi(argv[6]) : 11;

    if (argc < 6 || rounds == 0 || rounds > BENCH_ROUNDS_MAX) {
        fprintf(stderr, "usage: bench-uki PROGRAM STUB KERNEL INITRD FOLDER [ROUNDS]\n"
                        "FOLDER holds db.key, db.crt, pcr.key, pcr.pub and cmdline\n");
        return 2;
    }
    const struct places places = { argv[1], argv[2], argv[3], argv[4], argv[5] };
    for (size_t i = 0; i < CLO_COUNT(jobs); i++)
        measure(&jobs[i], &places, rounds);
    return 0;
}
