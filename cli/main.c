/* The one way into both programs, and out of them. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/commands.h"

/* A stream that is closed would be the first file that we open: what is printed would go into it. In its place
 * comes one that can neither be read nor written as that stream is. */
static bool fill_closed_streams(void)
{
    static const int flags[] = { O_WRONLY, O_RDONLY, O_RDONLY };

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", flags[fd]) != fd)
            return false;
    return true;
}

int main(int argc, char **argv)
{
    static char version[] = "version";

    /* Keys pass through this program: no core dumps. A closed pipe is an error we report. */
    prctl(PR_SET_DUMPABLE, 0);
    signal(SIGPIPE, SIG_IGN);
    if (!fill_closed_streams())
        return CLI_SURROUNDINGS;
    if (argc >= 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0))
        argv[1] = version;
    return cli_finish(cli_run(argc, argv));
}
