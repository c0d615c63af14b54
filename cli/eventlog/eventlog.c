/* cloister eventlog: a file for each of its forms. */
#include "cli/commands.h"
#include "cli/eventlog/input.h"

int cmd_eventlog(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "show", cmd_eventlog_show, "what was measured, event by event" },
        { "replay", cmd_eventlog_replay, "the registers that a log leads to" },
        { "convert", cmd_eventlog_convert, "into the canonical form, or out of it" },
        { "explain", cmd_eventlog_explain, "which event differs from the reference, and how" },
    };

    return cli_dispatch("eventlog", "Reads what firmware, boot loader and user space measured.",
                        commands, CLO_COUNT(commands), argc, argv);
}
