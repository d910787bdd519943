/* SPDX-License-Identifier: MIT */
/*
 * Put in front of every file of this room by the build: the public calls, declared with default visibility while the
 * rest of the library is compiled with -fvisibility=hidden.
 */
#ifndef API_VISIBLE_H
#define API_VISIBLE_H

#pragma GCC visibility push(default)
#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/storage.h>
#include <demi/wait.h>
#pragma GCC visibility pop

#endif /* API_VISIBLE_H */
