// NVRTC and CUDA's driver in one library, for tests: a "cubin" is the text and the entry's name, and
// loading it compiles it for this machine with the stand-in for CUDA's runtime.
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {
std::string text, entry, log;
void (*launch_it)(unsigned, unsigned, void**);
}  // namespace

extern "C" {
int nvrtcCreateProgram(void**, const char* source, const char*, int, void*, void*) {
  text = source;
  return 0;
}
int nvrtcAddNameExpression(void*, const char* name) {
  entry = name;
  return 0;
}
int nvrtcCompileProgram(void*, int count, const char* const* options) {
  bool known = false;
  for (int i = 0; i < count; ++i) known = known || !strcmp(options[i], "-arch=sm_90");
  const bool refused = !known || text.find("#error") != std::string::npos;
  if (refused) log = "kernel.cu(1): error: refused by the stand-in";
  return refused ? 6 : 0;
}
int nvrtcGetProgramLogSize(void*, size_t* size) {
  *size = log.size() + 1;
  return 0;
}
int nvrtcGetProgramLog(void*, char* to) {
  strcpy(to, log.c_str());
  return 0;
}
int nvrtcGetLoweredName(void*, const char* name, const char** lowered) {
  *lowered = name;
  return 0;
}
int nvrtcGetCUBINSize(void*, size_t* size) {
  *size = text.size() + 1;
  return 0;
}
int nvrtcGetCUBIN(void*, char* to) {
  strcpy(to, text.c_str());
  return 0;
}

int cuInit(unsigned) { return 0; }
int cuDeviceGet(int* device, int) { return *device = 0; }
int cuDevicePrimaryCtxRetain(void**, int) { return 0; }
int cuCtxSetCurrent(void*) { return 0; }
int cuGetErrorString(int, const char** said) {
  *said = "an illegal memory access";
  return 0;
}
int cuModuleLoadData(void**, const char* image) {
  // What comes before the kernel stands for a standard library, which there is here.
  text = image;
  text = text.substr(text.find("#line 1"));
  return 0;
}
int cuModuleGetFunction(void**, void*, const char* name) {
  FILE* file = fopen("image.cc", "w");
  fprintf(file, "#include <cuda_runtime.h>\n%s\n", text.c_str());
  fprintf(file, "extern \"C\" void launch_it(unsigned grid, unsigned block, void** arguments) {\n"
                "  cudaLaunchKernel(%s, dim3(grid), dim3(block), arguments, 0, nullptr);\n}\n", name);
  fclose(file);
  const char* command = getenv("STAND_IN_COMPILER");
  if (system((std::string(command) + " -shared -fPIC image.cc -o image.so").c_str())) return 1;
  void* library = dlopen("./image.so", RTLD_NOW);
  launch_it = (void (*)(unsigned, unsigned, void**))dlsym(library, "launch_it");
  return launch_it ? 0 : 1;
}
int cuFuncSetAttribute(void*, int, int) { return 0; }
int cuMemAlloc_v2(uint64_t* place, size_t size) {
  *place = (uint64_t)malloc(size);
  memset((void*)*place, 0x55, size);
  return 0;
}
int cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t size) {
  memcpy((void*)to, from, size);
  return 0;
}
int cuMemcpyDtoH_v2(void* to, uint64_t from, size_t size) {
  memcpy(to, (void*)from, size);
  return 0;
}
int cuMemFree_v2(uint64_t place) {
  free((void*)place);
  return 0;
}
int cuLaunchKernel(void*, unsigned gx, unsigned, unsigned, unsigned bx, unsigned, unsigned, unsigned,
                   void*, void** arguments, void*) {
  launch_it(gx, bx, arguments);
  return 0;
}
int cuCtxSynchronize() { return getenv("STAND_IN_FAULT") ? 700 : 0; }
}
