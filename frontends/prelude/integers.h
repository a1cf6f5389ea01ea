// Integer functions of CUDA and HIP, on words and on the bytes and 16-bit halves of a word.
#pragma once
XP_HD int __popc(unsigned); XP_HD int __popcll(unsigned long long);
XP_HD int __clz(int); XP_HD int __clzll(long long);
XP_HD int __ffs(int); XP_HD int __ffsll(long long);
XP_HD unsigned __brev(unsigned); XP_HD unsigned long long __brevll(unsigned long long);
XP_HD unsigned __fns(unsigned, unsigned, int);
XP_HD int __mul24(int, int); XP_HD unsigned __umul24(unsigned, unsigned);
XP_HD int mul24(int, int); XP_HD unsigned umul24(unsigned, unsigned);
XP_HD int __mulhi(int, int); XP_HD unsigned __umulhi(unsigned, unsigned);
XP_HD int mulhi(int, int); XP_HD unsigned mulhi(unsigned, unsigned);
XP_HD long long __mul64hi(long long, long long);
XP_HD unsigned long long __umul64hi(unsigned long long, unsigned long long);
XP_HD int __hadd(int, int); XP_HD int __rhadd(int, int);
XP_HD unsigned __uhadd(unsigned, unsigned); XP_HD unsigned __urhadd(unsigned, unsigned);
XP_HD unsigned __sad(int, int, unsigned); XP_HD unsigned __usad(unsigned, unsigned, unsigned);
XP_HD unsigned __byte_perm(unsigned, unsigned, unsigned);
XP_HD unsigned __funnelshift_l(unsigned, unsigned, unsigned); XP_HD unsigned __funnelshift_r(unsigned, unsigned, unsigned);
XP_HD unsigned __funnelshift_lc(unsigned, unsigned, unsigned); XP_HD unsigned __funnelshift_rc(unsigned, unsigned, unsigned);
XP_HD int __dp4a(int, int, int); XP_HD unsigned __dp4a(unsigned, unsigned, unsigned);
XP_HD int __dp4a(char4, char4, int); XP_HD unsigned __dp4a(uchar4, uchar4, unsigned);
#define XP_DP2A(half) \
  XP_HD int __dp2a_##half(int, int, int); XP_HD unsigned __dp2a_##half(unsigned, unsigned, unsigned); \
  XP_HD int __dp2a_##half(short2, char4, int); XP_HD unsigned __dp2a_##half(ushort2, uchar4, unsigned);
XP_DP2A(lo) XP_DP2A(hi)

#define XP_TWO(name) XP_HD unsigned name##4(unsigned, unsigned); XP_HD unsigned name##2(unsigned, unsigned);
#define XP_ONE(name) XP_HD unsigned name##4(unsigned); XP_HD unsigned name##2(unsigned);
#define XP_BOTH_SIGNS(name) XP_TWO(name##s) XP_TWO(name##u)
XP_TWO(__vadd) XP_TWO(__vsub) XP_BOTH_SIGNS(__vavg) XP_TWO(__vhaddu) XP_BOTH_SIGNS(__vabsdiff) XP_BOTH_SIGNS(__vsad)
XP_TWO(__vaddss) XP_TWO(__vaddus) XP_TWO(__vsubss) XP_TWO(__vsubus) XP_BOTH_SIGNS(__vmax) XP_BOTH_SIGNS(__vmin)
XP_TWO(__vcmpeq) XP_TWO(__vcmpne) XP_BOTH_SIGNS(__vcmpgt) XP_BOTH_SIGNS(__vcmpge) XP_BOTH_SIGNS(__vcmplt) XP_BOTH_SIGNS(__vcmple)
XP_TWO(__vseteq) XP_TWO(__vsetne) XP_BOTH_SIGNS(__vsetgt) XP_BOTH_SIGNS(__vsetge) XP_BOTH_SIGNS(__vsetlt) XP_BOTH_SIGNS(__vsetle)
XP_ONE(__vneg) XP_ONE(__vnegss) XP_ONE(__vabs) XP_ONE(__vabsss)
