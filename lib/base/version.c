#include "cloister/version.h"

const char *clo_version(void)
{
    return CLO_VERSION;
}
