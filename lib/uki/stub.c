#include "lib/uki/stub.h"

static const unsigned since[STUB_ACTS] = {
    [STUB_MEASURES] = 252,
    [STUB_MEASURES_UNAME] = 253,
    [STUB_TRIMS_BOTH_ENDS] = 253,
    [STUB_MEASURES_SBAT] = 254,
    [STUB_TAKES_ADDONS] = 254,
    [STUB_TAKES_FIRST] = 256,
    [STUB_TAKES_UCODE] = 256,
    [STUB_TAKES_CONFEXTS] = 256,
    [STUB_MEASURES_CC] = 256,
    [STUB_KNOWS_PROFILES] = 257,
    [STUB_TAKES_ADDON_INITRDS] = 257,
    [STUB_PACKS_OSREL] = 257,
    [STUB_TAKES_EFIFW] = 258,
    [STUB_LOADS_ITSELF] = 258,
    [STUB_TAKES_ALL_EXTENSIONS] = 259,
    [STUB_MEASURES_SMBIOS] = 261,
    [STUB_HANDS_SECRET] = 262,
};

bool stub_does(unsigned version, enum stub_act what)
{
    return version >= since[what];
}

unsigned stub_since(enum stub_act what)
{
    return since[what];
}
