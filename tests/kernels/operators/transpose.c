#define D0 1
#define D1 24
#define D2 36
#define D3 1

void transpose(const float x[D0][D1][D2][D3], float y[D0][D2][D1][D3]) {
#pragma omp parallel for collapse(3)
  for (int a = 0; a < D0; a++)
    for (int c = 0; c < D2; c++)
      for (int b = 0; b < D1; b++)
        for (int d = 0; d < D3; d++) y[a][c][b][d] = x[a][b][c][d];
}
