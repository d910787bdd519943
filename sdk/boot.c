/* SPDX-License-Identifier: MIT */
/*
 * From crt0 to the program and its end (section 1.8 of the machine's contract): thread-local data, arguments, the NIC's
 * start, main on hart 0 or core_main on all of them, the exit code.
 */
#include "runtime.h"

#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) __attribute__((weak));
int core_main(int argc, char **argv, unsigned hart, unsigned cores) __attribute__((weak));
void nanopu_hart_serve(unsigned hart) __attribute__((weak));
void nanopu_on_trap(uint64_t cause, uint64_t pc, uint64_t value, unsigned hart) __attribute__((weak));

void __libc_init_array(void);

extern char __tdata_start[], __tdata_size[], __tls_size[]; /* nanopu.ld */

/* What the host fills in: the number of arguments, pointers to them, two of NULL, the texts. */
static union {
    uint64_t words[128];
    char bytes[1024];
} arguments;

static uint64_t program_ready, returned, exit_code;
static uint32_t host_ip;

/* In programs that have it, as those with PDPIX do, main sees its own arguments only, without the NIC's addresses. */
extern const char nanopu_hides_addresses __attribute__((weak));

/* In the thread that has it, or before there is one. */
void nanopu_set_up_tls(char *tp)
{
    memcpy(tp, __tdata_start, (size_t)__tdata_size);
    memset(tp + (size_t)__tdata_size, 0, (size_t)__tls_size - (size_t)__tdata_size);
}

uint32_t nanopu_host_ip(void)
{
    return host_ip;
}

static void set_up_program(void)
{
    nanopu_htif_call(SYS_GETMAINVARS, (uint64_t)&arguments, sizeof(arguments), 0);
    host_ip = nanopu_own_ip((int)arguments.words[0], (char **)&arguments.words[1]);
    if (&nanopu_hides_addresses != NULL && arguments.words[0] > NANOPU_ARG_IP) {
        arguments.words[0] -= NANOPU_ARG_IP;
        memmove(&arguments.words[2], &arguments.words[2 + NANOPU_ARG_IP], arguments.words[0] * sizeof(uint64_t));
    }
    __libc_init_array();
    __atomic_store_n(&program_ready, 1, __ATOMIC_RELEASE);
}

static void wait_for_nic(void)
{
    if (!nanopu_nic_probe())
        return;
    nanopu_csr_write(NANOPU_CSR_lniccmd, NANOPU_CMD_START_TIMER);
    while (nanopu_csr_read(NANOPU_CSR_lnicrdy) == 0)
        ;
}

static void sleep_for_ever(void) __attribute__((noreturn));
static void sleep_for_ever(void)
{
    nanopu_csr_write(0x304, 0);
    for (;;)
        __asm__ volatile("wfi");
}

/* The last hart to return ends the program with everybody's codes. */
static void run_on_all(int argc, char **argv, unsigned hart, unsigned cores) __attribute__((noreturn));
static void run_on_all(int argc, char **argv, unsigned hart, unsigned cores)
{
    uint64_t code = (uint64_t)core_main(argc, argv, hart, cores) & 0xff;

    nanopu_console_flush();
    while (!nanopu_thread_is_alone())
        nanopu_thread_pass();
    __atomic_fetch_or(&exit_code, code << (8 * (hart % 7)), __ATOMIC_ACQ_REL);
    if (nanopu_fetch_add(&returned, 1) + 1 == cores)
        nanopu_exit(exit_code);
    sleep_for_ever();
}

void nanopu_boot(unsigned hart, unsigned cores)
{
    int argc;
    char **argv, *tp;

    __asm__("mv %0, tp" : "=r"(tp));
    nanopu_set_up_tls(tp);
    if (hart == 0)
        set_up_program();
    while (__atomic_load_n(&program_ready, __ATOMIC_ACQUIRE) == 0)
        ;
    wait_for_nic();
    argc = (int)arguments.words[0];
    argv = (char **)&arguments.words[1];
    if (core_main != NULL)
        run_on_all(argc, argv, hart, cores);
    if (hart != 0 && nanopu_hart_serve != NULL)
        nanopu_hart_serve(hart);
    if (hart != 0)
        sleep_for_ever();
    if (main == NULL) {
        nanopu_print("the program has neither main nor core_main\n");
        nanopu_exit(127);
    }
    exit(main(argc, argv));
}

static void print_hex(const char *name, uint64_t value)
{
    char text[19] = "0x";

    for (int i = 0; i < 16; i++)
        text[2 + i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
    text[18] = '\0';
    nanopu_print(name);
    nanopu_print(text);
}

void nanopu_trap_fatal(uint64_t cause, uint64_t pc, uint64_t value, unsigned hart)
{
    if (nanopu_on_trap != NULL)
        nanopu_on_trap(cause, pc, value, hart);
    print_hex("trap: hart ", hart);
    print_hex(", mcause ", cause);
    print_hex(", mepc ", pc);
    print_hex(", mtval ", value);
    nanopu_print("\n");
    nanopu_exit(cause);
}
