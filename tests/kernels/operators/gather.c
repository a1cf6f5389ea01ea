#include <stdint.h>
#include <string.h>

#define OUTER 32
#define AXIS 128
#define INNER 32
#define COUNT (AXIS / 2)

void gather(const float *x, const int32_t *index, float *y) {
  for (int o = 0; o < OUTER; o++)
    for (int k = 0; k < COUNT; k++)
      memcpy(y + (o * COUNT + k) * INNER, x + (o * AXIS + index[k]) * INNER, INNER * sizeof(float));
}
