#include "lib/base/civil_time.h"

/* Days since 1970-01-01 (Howard Hinnant, chrono-Compatible Low-Level Date Algorithms:
 * days_from_civil), for years from 0 on. */
static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = year - (month <= 2) + 400; /* never negative */
    int64_t era = y / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return (era - 1) * 146097 + day_of_era - 719468;
}

static int days_in_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && is_leap ? 29 : days[month - 1];
}

bool clo_civil_time(int year, int month, int day, int hour, int minute, int second, int64_t *out)
{
    if (year < 0 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
        hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return false;
    *out = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}

static int number(const char *digits, size_t count)
{
    int out = 0;

    for (size_t i = 0; i < count; i++)
        out = out * 10 + (digits[i] - '0');
    return out;
}

bool clo_civil_time_read(const char *text, int64_t *out, const char **rest)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd";

    for (size_t i = 0; i < sizeof form - 1; i++) {
        bool is_right = form[i] == 'd'   ? text[i] >= '0' && text[i] <= '9'
                        : form[i] == 'T' ? text[i] == 'T' || text[i] == 't' || text[i] == ' '
                                         : text[i] == form[i];
        if (!is_right)
            return false; /* a text that ends here is not read on */
    }
    if (!clo_civil_time(number(text, 4), number(text + 5, 2), number(text + 8, 2),
                        number(text + 11, 2), number(text + 14, 2), number(text + 17, 2), out))
        return false;
    *rest = text + sizeof form - 1;
    return true;
}
