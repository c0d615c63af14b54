/* UKIs built, signed, measured, verified: whole processes of ours beside ukify, systemd-measure, sbsign, sbverify and
 * pesign, in turn in each round, with the most memory that each of them had (ru_maxrss). FOLDER on a tmpfs shows the work
 * itself: ours does an fsync, the others do not. What is not installed is left out. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "device/file.h"

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

/* Wall seconds; negative: it is not installed. A failure ends the benchmark. */
static double run(const char *template, const struct places *places, long *memory)
{
    static char room[WORDS_MAX * WORD_MAX];
    char *words[WORDS_MAX] = { NULL };
    struct rusage usage;
    int status;

    expand(template, places, room, words);
    double start = bench_now();
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execvp(words[0], words);
        _exit(errno == ENOENT ? 127 : 126);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child)
        status = -1;
    double seconds = bench_now() - start;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return -1;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "bench: %s failed\n", words[0]);
        exit(4);
    }
    *memory = usage.ru_maxrss > *memory ? usage.ru_maxrss : *memory;
    return seconds;
}

static void measure(const struct job *job, const struct places *places, unsigned rounds)
{
    struct bench_series ours = { 0 }, theirs = { 0 };
    long our_memory = 0;
    long their_memory = 0;
    char name[80];

    for (unsigned i = 0; i <= rounds; i++) {
        double a = run(job->ours, places, &our_memory);
        double b = run(job->theirs, places, &their_memory);
        if (i == 0) /* warm up */
            continue;
        bench_add(&ours, a * 1e3);
        if (b >= 0)
            bench_add(&theirs, b * 1e3);
    }
    bench_heading(job->name);
    snprintf(name, sizeof name, "  cloister, %.1f MiB", (double)our_memory / 1024);
    bench_row(name, &ours, "ms");
    if (theirs.count == 0) {
        printf("  %.*s is not installed\n", (int)strcspn(job->theirs, " "), job->theirs);
        return;
    }
    snprintf(name, sizeof name, "  %.*s, %.1f MiB", (int)strcspn(job->theirs, " "), job->theirs,
             (double)their_memory / 1024);
    bench_row(name, &theirs, "ms");
    printf("  times as fast: %.2f by minima, %.2f by medians (goal: at least %.2f)\n",
           theirs.values[0] / ours.values[0],
           theirs.values[theirs.count / 2] / ours.values[ours.count / 2], job->goal);
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
