/* SPDX-License-Identifier: MIT */
/* Compiler annotations of the PDPIX headers. The _In_/_Out_ words document direction and expand to nothing here. */
#ifndef DEMI_CC_H
#define DEMI_CC_H

#ifndef _MSC_VER
#define _In_
#define _In_z_
#define _In_opt_
#define _Inout_
#define _In_reads_(count)
#define _In_reads_bytes_(bytes)
#define _Out_
#define _Out_opt_
#define _Out_writes_(count)
#define _Out_writes_to_(size, count)
#define _Out_writes_to_opt_(size, count)
#define _Deref_pre_z_
#endif

/*
 * The library itself is built with CARACAL_BUILD: a nonnull attribute there would let the compiler delete the very
 * NULL checks that the contract asks for.
 */
#if defined(__GNUC__) && !defined(CARACAL_BUILD)
#define ATTR_NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#else
#define ATTR_NONNULL(...)
#endif

#if defined(__GNUC__)
#define ATTR_NODISCARD __attribute__((warn_unused_result))
#else
#define ATTR_NODISCARD
#endif

/*
 * Structures without holes. Where a machine cannot read a word that is not aligned, they lie on a boundary of so many
 * bytes all the same, which changes no size and no offset.
 */
#if defined(__GNUC__) && defined(__riscv)
#define DEMI_PACKED(boundary) __attribute__((__packed__, __aligned__(boundary)))
#elif defined(__GNUC__)
#define DEMI_PACKED(boundary) __attribute__((__packed__))
#else
#define DEMI_PACKED(boundary)
#endif

#endif /* DEMI_CC_H */
