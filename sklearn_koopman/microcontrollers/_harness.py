"""Code that runs a student on an emulated board: start-up, input and output, counters.

On Cortex-M, rows are read from a file of the host, and logits are written to one, by semihosting.
On AVR, rows are in flash, and logits leave by the serial port.
"""

CORTEX_LINKER = """
MEMORY
{{
    FLASH (rx) : ORIGIN = 0x00000000, LENGTH = {flash}
    RAM (rwx) : ORIGIN = 0x20000000, LENGTH = {ram}
}}
ENTRY(start)
SECTIONS
{{
    .text : {{ KEEP(*(.vectors)) *(.text*) *(.rodata*) . = ALIGN(4); }} > FLASH
    .ARM.exidx : {{ *(.ARM.exidx*) }} > FLASH
    loaded = LOADADDR(.data);
    .data : {{ data_begin = .; *(.data*) . = ALIGN(4); data_end = .; }} > RAM AT > FLASH
    .bss : {{ bss_begin = .; *(.bss*) *(COMMON) . = ALIGN(4); bss_end = .; }} > RAM
    stack_top = ORIGIN(RAM) + LENGTH(RAM);
}}
"""

# The row is a static array, and counts as memory. The stack is painted to find how deep it gets.
CORTEX_MAIN = r"""
#include <stdint.h>
#include "{name}.h"

#define SYSTICK ((volatile uint32_t *)0xE000E010)
#define PAINT 0xA5A5A5A5u

extern uint32_t loaded, data_begin, data_end, bss_begin, bss_end, stack_top;
int main(void);

static uint32_t host(uint32_t operation, const void *arguments)
{{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;

    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}}

static uint32_t file(const char *name, uint32_t length, uint32_t mode)
{{
    uint32_t arguments[3] = {{(uint32_t)name, mode, length}};

    return host(1, arguments);
}}

/* Reads (6) or writes (5); returns the bytes that are left over. */
static uint32_t move(uint32_t operation, uint32_t handle, const void *data, uint32_t length)
{{
    uint32_t arguments[3] = {{handle, (uint32_t)data, length}};

    return host(operation, arguments);
}}

static {row} row[{upper}_N_FEATURES];

int main(void)
{{
    uint32_t rows = file("rows.bin", 8, 1), out = file("logits.bin", 10, 5);
    uint32_t counts = file("counts.bin", 10, 5), report[2] = {{0, 0}};
    {logit} logits[{upper}_N_CLASSES];
    const uint32_t *at;

    SYSTICK[1] = 0xFFFFFFu;
    SYSTICK[0] = 5;
    while (move(6, rows, row, sizeof row) == 0) {{
        uint32_t before = SYSTICK[2];

        {name}_logits(row, logits);
        report[0] = (before - SYSTICK[2]) & 0xFFFFFFu;
        move(5, counts, report, 4);
        move(5, out, logits, sizeof logits);
    }}
    for (at = &bss_end; *at == PAINT; at++)
        ;
    report[1] = (uint32_t)((const char *)&stack_top - (const char *)at);
    move(5, counts, report + 1, 4);
    return 0;
}}

/* Keeps the two loops below from becoming calls of a library. */
__attribute__((naked, noreturn, used)) void start(void)
{{
    __asm__ volatile(
        ".syntax unified\n ldr r0, =loaded\n ldr r1, =data_begin\n ldr r2, =data_end\n"
        "1: cmp r1, r2\n bhs 2f\n ldr r3, [r0]\n str r3, [r1]\n adds r0, #4\n adds r1, #4\n b 1b\n"
        "2: ldr r1, =bss_begin\n ldr r2, =bss_end\n movs r3, #0\n"
        "3: cmp r1, r2\n bhs 4f\n str r3, [r1]\n adds r1, #4\n b 3b\n"
        "4: ldr r1, =bss_end\n ldr r2, =stack_top\n ldr r3, =0xA5A5A5A5\n"
        "5: cmp r1, r2\n bhs 6f\n str r3, [r1]\n adds r1, #4\n b 5b\n"
        "6: ldr r0, =0xE000ED88\n movs r1, #0xF\n lsls r1, r1, #20\n {fpu}\n"
        "bl main\n"
        "movs r0, #0x18\n ldr r1, =0x20026\n bkpt 0xAB\n"
        "7: b 7b\n .ltorg\n");
}}

__attribute__((section(".vectors"), used)) const uint32_t *const vectors[2] = {{
    &stack_top, (const uint32_t *)start}};
"""

# Timer 1 counts 1,024 cycles a step; four bytes of cycles, then four of the stack, in hexadecimal.
AVR_MAIN = r"""
#include <avr/io.h>
#include <avr/interrupt.h>
#include <avr/pgmspace.h>
#include <avr/sleep.h>
#include "{name}.h"

#define N_ROWS {n_rows}
static const {row} rows[N_ROWS][{upper}_N_FEATURES] PROGMEM = {{
{rows}
}};
static {row} row[{upper}_N_FEATURES];
extern uint8_t __bss_end;

static void put(uint8_t byte)
{{
    while (!(UCSR0A & (1 << UDRE0)))
        ;
    UDR0 = byte;
}}

static void number(uint32_t x)
{{
    for (int8_t i = 28; i >= 0; i -= 4)
        put("0123456789abcdef"[(x >> i) & 15]);
    put('\n');
}}

__attribute__((naked, used, section(".init3"))) void paint(void)
{{
    __asm__ volatile(
        "ldi r30, lo8(__bss_end)\n ldi r31, hi8(__bss_end)\n ldi r24, 0xa5\n"
        "ldi r25, hi8(__stack)\n"
        "1: st Z+, r24\n cpi r30, lo8(__stack)\n cpc r31, r25\n brlo 1b\n");
}}

int main(void)
{{
    {logit} logits[{upper}_N_CLASSES];
    union {{ {logit} logit; uint32_t bits; }} as;
    const uint8_t *at;

    UCSR0B = 1 << TXEN0;
    TCCR1B = 5;
    for (uint8_t i = 0; i < N_ROWS; i++) {{
        memcpy_P(row, rows[i], sizeof row);
        TCNT1 = 0;
        {name}_logits(row, logits);
        number((uint32_t)TCNT1 * 1024u);
        for (uint8_t c = 0; c < {upper}_N_CLASSES; c++) {{
            as.logit = logits[c];
            number(as.bits);
        }}
    }}
    for (at = &__bss_end; *at == 0xA5; at++)
        ;
    number((uint32_t)(RAMEND - (uint16_t)at + 1));
    cli();
    sleep_mode();
    return 0;
}}
"""

# It takes the place of a student: the difference of the two programs is the size of the student.
STUB = r"""
#include "{name}.h"

void {name}_logits(const {row} *row, {logit} *logits)
{{
    for (int i = 0; i < {upper}_N_CLASSES; i++)
        logits[i] = ({logit})row[i % {upper}_N_FEATURES];
}}
"""
