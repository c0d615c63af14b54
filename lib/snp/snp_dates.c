/* Days, and the time in which an endorsement holds. */
#include <stdio.h>

#include "snp_internal.h"

/* The day of a Unix time, without a library that reads the environment's time zone (Howard Hinnant,
 * chrono-Compatible Low-Level Date Algorithms: civil_from_days). */
void snp_date_text(int64_t at, char out[SNP_DATE_TEXT])
{
    int64_t days = at / 86400 - (at % 86400 < 0) + 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;

    snprintf(out, SNP_DATE_TEXT, "%04lld-%02lld-%02lld",
             (long long)(year_of_era + era * 400 + (month <= 2)), (long long)month,
             (long long)(day_of_year - (153 * shifted + 2) / 5 + 1));
}

void snp_narrow(struct clo_snp_endorser *endorser, int64_t from, int64_t until)
{
    endorser->from = from > endorser->from ? from : endorser->from;
    endorser->until = until < endorser->until ? until : endorser->until;
}
