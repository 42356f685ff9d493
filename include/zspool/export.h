/* SPDX-License-Identifier: MIT */
/* zspool/export.h - what the library exports, and results that matter. */
#ifndef ZS_EXPORT_H
#define ZS_EXPORT_H

#define ZS_API __attribute__((visibility("default")))
#define ZS_MUST_CHECK __attribute__((warn_unused_result))

#ifdef __cplusplus
#define ZS_BEGIN_DECLS extern "C" {
#define ZS_END_DECLS }
#else
#define ZS_BEGIN_DECLS
#define ZS_END_DECLS
#endif

#endif /* ZS_EXPORT_H */
