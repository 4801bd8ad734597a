// {"verdict":"AC"}
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int main(void)
{
    double *p = malloc(1000 * sizeof *p);
    srand((unsigned)time(NULL));
    p[0] = sqrt(rand());
    puts(p[0] >= 0 ? "held" : "no");
    free(p);
}
