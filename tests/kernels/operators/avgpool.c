#define N 1
#define H 5
#define W 5
#define C 64
#define KH 5
#define KW 5
#define SH 1
#define SW 1
#define OH ((H - KH) / SH + 1)
#define OW ((W - KW) / SW + 1)

void avgpool(const float *restrict x, float *restrict y) {
#pragma omp parallel for collapse(3)
  for (int n = 0; n < N; n++)
    for (int i = 0; i < OH; i++)
      for (int j = 0; j < OW; j++)
        for (int c = 0; c < C; c++) {
          float sum = 0.0f;
          for (int k = 0; k < KH; k++)
            for (int l = 0; l < KW; l++)
              sum += x[((n * H + i * SH + k) * W + j * SW + l) * C + c];
          y[((n * OH + i) * OW + j) * C + c] = sum / (KH * KW);
        }
}
