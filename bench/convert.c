/* convert CLOISTER SCENE ROUNDS: a whole image, with UKI, initrd, signature and reference values, of SCENE/root.ext4, next to what others
 * take to encrypt that file alone: `qemu-img convert` to LUKS, and `cryptsetup reencrypt --encrypt` in place, of a copy that is not
 * counted. The same cipher (AES-256-XTS), and no passphrase is stretched. SCENE is made by bench/convert-scene. */
#include <stdio.h>
#include <string.h>

#include "process.h"

#define WORDS_MAX 40

struct scene {
    const char *cloister, *folder;
};

/* Words apart by blanks; "@" begins the scene's folder, "!" is ours. */
static bool run(const struct scene *scene, const char *template, struct bench_processes *out)
{
    static char text[8192], places[WORDS_MAX][512];
    char *words[WORDS_MAX + 1] = { NULL };
    size_t count = 0;

    snprintf(text, sizeof text, "%s", template);
    for (char *word = strtok(text, " "); word != NULL && count < WORDS_MAX;
         word = strtok(NULL, " ")) {
        const char *at = strchr(word, '@');
        if (strcmp(word, "!") == 0)
            snprintf(places[count], sizeof places[count], "%s", scene->cloister);
        else if (at != NULL)
            snprintf(places[count], sizeof places[count], "%.*s%s/%s", (int)(at - word), word,
                     scene->folder, at + 1);
        else
            snprintf(places[count], sizeof places[count], "%s", word);
        words[count] = places[count];
        count++;
    }
    return bench_process(words, out);
}

static void clear(const struct scene *scene)
{
    struct bench_processes ignored = { 0 };

    (void)run(scene, "rm -f @demo.img @demo.ref.json @demo.disk.json @demo.disk.key @luks.img",
              &ignored);
}

#define OURS                                                                               \
    "! image build @root.ext4 --output @demo.img --kernel @vmlinuz --modules @modules "    \
    "--stub @stub.efi --cmdline console=ttyS0 --init @cloister-init --key @keys/db.key "   \
    "--cert @keys/db.crt --varstore @vars.fd --broker https://10.0.2.2:8443 --broker-key " \
    "@broker.pem --encrypt-free"

static void compare(const struct scene *scene, int rounds, const char *title, const char *ours,
                    const char *name, const char *prepare, const char *theirs, double goal)
{
    struct bench_processes we = { 0 }, they = { 0 }, ignored = { 0 };

    for (int i = 0; i < rounds; i++) {
        clear(scene);
        (void)run(scene, ours, &we);
        clear(scene);
        if (prepare != NULL)
            (void)run(scene, prepare, &ignored);
        (void)run(scene, theirs, &they);
    }
    clear(scene);
    bench_process_compare(title, &we, name, &they, goal);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench-convert CLOISTER SCENE ROUNDS\n");
        return 2;
    }
    const struct scene scene = { argv[1], argv[2] };
    int rounds = atoi(argv[3]);
    compare(&scene, rounds, "An image, against qemu-img's encryption of its root", OURS, "qemu-img",
            NULL,
            "qemu-img convert --object secret,id=s,file=@passphrase -f raw -O luks -o "
            "key-secret=s,cipher-alg=aes-256,cipher-mode=xts,ivgen-alg=plain64,iter-time=10 "
            "@root.ext4 @luks.img",
            6);
    puts("");
    compare(&scene, rounds, "An image, against cryptsetup's encryption in place of its root", OURS,
            "cryptsetup reencrypt --encrypt", "cp --sparse=never @root.room @luks.img",
            "cryptsetup reencrypt --encrypt --type luks2 --reduce-device-size 32M --batch-mode "
            "--key-file @passphrase --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --cipher "
            "aes-xts-plain64 --key-size 512 --sector-size 4096 @luks.img",
            3);
    puts("");
    compare(&scene, rounds, "The same with a tag for each sector, against qemu-img without",
            OURS " --integrity hmac-sha256", "qemu-img", NULL,
            "qemu-img convert --object secret,id=s,file=@passphrase -f raw -O luks -o "
            "key-secret=s,cipher-alg=aes-256,cipher-mode=xts,ivgen-alg=plain64,iter-time=10 "
            "@root.ext4 @luks.img",
            0);
    return 0;
}
