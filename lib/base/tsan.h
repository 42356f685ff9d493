/* SPDX-License-Identifier: MIT */
/* tsan.h - ZS_TSAN: this build is checked by ThreadSanitizer. */
#ifndef ZS_LIB_TSAN_H
#define ZS_LIB_TSAN_H

#if defined(__SANITIZE_THREAD__)
#define ZS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ZS_TSAN 1
#endif
#endif

#endif /* ZS_LIB_TSAN_H */
