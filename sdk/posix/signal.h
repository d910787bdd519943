/* SPDX-License-Identifier: MIT */
#ifndef SDK_SIGNAL_H
#define SDK_SIGNAL_H

#include_next <signal.h>

#ifndef SA_RESETHAND
#define SA_RESETHAND 0x80000000
#endif
#ifndef SIGPIPE
#define SIGPIPE 13
#endif

#endif /* SDK_SIGNAL_H */
