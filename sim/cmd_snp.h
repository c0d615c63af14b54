/* `cloister-sim snp`. */
#ifndef CLOISTER_SIM_CMD_SNP_H
#define CLOISTER_SIM_CMD_SNP_H

int cmd_snp(int argc, char **argv);

#endif
