/* An RSA key that policies over PCRs are signed with, to be looked for by its fingerprint: made once with openssl, and
 * its private half thrown away. */
#ifndef CLOISTER_TEST_PCR_PUBLIC_KEY_H
#define CLOISTER_TEST_PCR_PUBLIC_KEY_H

static const char pcr_public_key[] =
        "-----BEGIN PUBLIC KEY-----\n"
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA+ftGVAwMk86JKcSXIC/u\n"
        "cahe18KuJF90psGNf1fpcY3LTPO7CC39L/sgAzVpt5FEqB7aMJgog7DYGu4hfxjz\n"
        "yGgbB/lFBbRPOnGNwhS2Dalkz4tBI6cxZhn8fYf3EAwFfU8b5czgLT1N5LjJfcLc\n"
        "BWhpVW0yjpSe63qF/ocZO6+SWoZlqbAvDhcOmljwEFY6pSjFdSZN2KD9+vv9ZP5Y\n"
        "DHZoq5Dwz9nucgTOrRI11gQPG7ytTUkFzD7RNO/C85klML6v6cJg3PH2NI9x3qy9\n"
        "uigCasS1+b5nR3I9u5DReUCbI36kJmgV0sEJnHfXYEJFgqC2lyCtci8UMbrBu8g6\n"
        "/wIDAQAB\n"
        "-----END PUBLIC KEY-----\n";

#endif
