#include "analyst/chance.h"

#include <math.h>

double chance_normal_above(double z)
{
    return 0.5 * erfc(z / M_SQRT2);
}

/* The continued fraction of the incomplete beta function, by Lentz's method. */
static double beta_fraction(double a, double b, double x)
{
    enum { STEPS_MAX = 300 };
    const double tiny = 1e-300, close = 1e-14;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m <= STEPS_MAX; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        const double terms[] = { even, odd };
        double factor = 1;
        for (size_t i = 0; i < countof(terms); i++) {
            d = 1 + terms[i] * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + terms[i] / c;
            c = fabs(c) < tiny ? tiny : c;
            factor = c * d;
            h *= factor;
        }
        if (fabs(factor - 1) < close)
            break;
    }
    return h;
}

/* The regularised incomplete beta function. */
static double beta_share(double a, double b, double x)
{
    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a
                                     : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double chance_student_above(double t, double df)
{
    assert(df > 0);
    if (isinf(t))
        return t > 0 ? 0 : 1;
    double half = 0.5 * beta_share(df / 2, 0.5, df / (df + t * t));
    return t >= 0 ? half : 1 - half;
}

static double log_beta(double a, double b)
{
    return lgamma(a) + lgamma(b) - lgamma(a + b);
}

double chance_hits_above(double k, double n, double hits, double misses)
{
    enum { TERMS_MAX = 1'000'000 };
    double a = hits + 0.5, b = misses + 0.5;
    k = ceil(k - 1e-9);
    n = floor(n + 1e-9);
    if (k > n)
        return 0;
    if (k <= n * a / (a + b))
        return 0.5;
    double term = exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) +
                      log_beta(k + a, n - k + b) - log_beta(a, b));
    double sum = term;
    for (size_t i = 0; i < TERMS_MAX && k < n && term > sum * 1e-12; i++) {
        term *= (n - k) / (k + 1) * (k + a) / (n - k - 1 + b);
        sum += term;
        k++;
    }
    return fmin(0.5, sum);
}

double chance_poisson_below(double k, double mean)
{
    enum { TERMS_MAX = 1'000'000 };
    double term = exp(-mean), sum = term;
    for (size_t i = 1; i <= TERMS_MAX && (double)i <= k; i++) {
        term *= mean / (double)i;
        sum += term;
    }
    return fmin(1, sum);
}

struct chance_interval chance_wilson(double hits, double count, double z)
{
    assert(count > 0 && hits >= 0 && hits <= count);
    double share = hits / count, z2 = z * z;
    double middle = (share + z2 / (2 * count)) / (1 + z2 / count);
    double half =
        z / (1 + z2 / count) * sqrt(share * (1 - share) / count + z2 / (4 * count * count));
    return (struct chance_interval){ fmax(0, middle - half), fmin(1, middle + half) };
}

double chance_confidence(double p, size_t looks)
{
    double more = fmax(1, (double)looks / CHANCE_LOOKS_FREE);
    double corrected = fmax(p * more, 1e-300);
    if (corrected >= exp(-1)) /* no evidence: the bound is 1 from here on */
        return CHANCE_PRIOR;
    double bound = -M_E * corrected * log(corrected);
    double odds = CHANCE_PRIOR / (1 - CHANCE_PRIOR) / bound;
    return fmin(CHANCE_CONFIDENCE_MAX, odds / (1 + odds));
}
