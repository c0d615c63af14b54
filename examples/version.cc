// The whole API in a C++ program. Exit status: 0 if the library is the one it was compiled for.
#include <cstdio>
#include <cstring>

#include <cloister/cloister.h>

int main()
{
    clo_digest digest;
    char hex[2 * CLO_HASH_SIZE_MAX + 1];

    clo_hash(CLO_HASH_SHA256, clo_bytes_text("abc"), &digest);
    std::printf("%s %s\n", clo_version(), clo_hex_text(clo_digest_bytes(&digest), hex));
    return std::strcmp(clo_version(), CLO_VERSION) == 0 ? 0 : 1;
}
