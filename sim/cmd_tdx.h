/* `cloister-sim tdx`. */
#ifndef CLOISTER_SIM_CMD_TDX_H
#define CLOISTER_SIM_CMD_TDX_H

int cmd_tdx(int argc, char **argv);

#endif
