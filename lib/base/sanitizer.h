/* SPDX-License-Identifier: MIT */
/* sanitizer.h - which checkers is this build made for? */
#ifndef ZS_LIB_SANITIZER_H
#define ZS_LIB_SANITIZER_H

#ifndef __has_feature /* gcc */
#define __has_feature(feature) 0
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define ZS_TSAN 1
#endif

/* gcc does not tell of -fsanitize=undefined alone. */
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) ||       \
    __has_feature(undefined_behavior_sanitizer)
#define ZS_ASAN_OR_UBSAN 1
#endif

#endif /* ZS_LIB_SANITIZER_H */
