/* SPDX-License-Identifier: MIT */
/*
 * step.h - places where a test may halt a mover.
 *
 * A mover calls ZS_STEP(point) between any two steps of an object move and of
 * a page migration. Checked builds call zs_step_hook there when a test has set
 * it; other builds compile to nothing.
 */
#ifndef ZS_LIB_STEP_H
#define ZS_LIB_STEP_H

#include <stdatomic.h>

enum zs_step {
    ZS_STEP_OBJ_CLOSED,    /* source is MOVING, nothing reserved yet         */
    ZS_STEP_OBJ_RESERVED,  /* destination slots reserved                     */
    ZS_STEP_OBJ_COPYING,   /* between two objects                            */
    ZS_STEP_OBJ_COPIED,    /* all bytes copied, no slot word switched        */
    ZS_STEP_OBJ_SWITCHING, /* between two slot words                         */
    ZS_STEP_OBJ_SWITCHED,  /* all slot words switched                        */
    ZS_STEP_OBJ_OPENED,    /* MOVING is clear, old slots wait for readers    */
    ZS_STEP_PAGE_ISOLATED, /* page is in the core's hands                    */
    ZS_STEP_PAGE_DST,      /* destination page is there                      */
    ZS_STEP_PAGE_CLOSED,   /* zspage is MOVING                               */
    ZS_STEP_PAGE_COPIED,   /* bytes copied, place not yet published          */
    ZS_STEP_PAGE_SWITCHED, /* place published                                */
    ZS_STEP_PAGE_LIMBO,    /* old page waits for readers                     */
    ZS_NR_STEPS
};

typedef void zs_step_hook_fn(enum zs_step step);

#if ZS_CHECKS >= 1
extern _Atomic(zs_step_hook_fn *) zs_step_hook;
#define ZS_STEP(point)                                                         \
    do {                                                                       \
        zs_step_hook_fn *hook_ =                                               \
            atomic_load_explicit(&zs_step_hook, memory_order_acquire);         \
        if (hook_) {                                                           \
            hook_(point);                                                      \
        }                                                                      \
    } while (0)
#else
#define ZS_STEP(point) ((void)(point))
#endif

#endif /* ZS_LIB_STEP_H */
