# The boot ROM of the accelerator's proof (see ../accel.rs). `rom.rs` holds the bytes this assembles to, and a test
# assembles it again and compares:
#
#   as --64 rom.s -o rom.o && ld -m elf_x86_64 --oformat binary -Ttext 0xf0000 -e start rom.o -o rom.bin
#
# It runs from the reset vector, without any firmware, and walks through what the kernel of an ordinary guest needs.
# After each stage it writes the stage's letter to port 0xe9; a missing letter says where it went wrong:
#
#   R real mode   P protected mode   L 64-bit long mode with paging   C CPUID (followed by leaf 1's eax)
#   F page faults that are repaired   U user mode and back   A the local APIC's timer wakes `hlt`
#   T the old timer (PIT) through the old interrupt controller does   W much work begins
#   D the work is done (followed by its 8-byte result, computed from the seed)
#   X an exception nobody expected (followed by nothing)
#
# Memory: 0x1000 PML4, 0x2000 PDPT, 0x3000 page directory of the first GiB, 0x4000 of the fourth GiB, 0x5000 IDT,
# 0x6000 TSS, 0x6100 ticks, 0x6200 GDT, 0x8000 kernel stack (downwards), 0x9000 user stack (downwards), 0x9000 user code,
# 2 MiB.. the work's table. The first 16 MiB are mapped, and 64 MiB.. on demand by the page fault handler.

        .set    CONSOLE, 0xe9
        .set    EXIT, 0xf4
        .set    TICKS, 0x6100
        .set    TSS, 0x6000
        .set    GDT, 0x6200
        .set    APIC, 0xfee00000
        .set    ROUNDS, 1 << 22         # of the work; rom.rs knows this number too

        .text
        .globl  start

        .code16
start:                                  # f000:0000, from the reset vector at the ROM's end
        cli
        cld
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x8000, %sp
        movw    $0x1000, %di            # clear 0x1000..0xa000
        movw    $0x9000 / 2, %cx
        rep stosw
        movb    $'R', %al
        outb    %al, $CONSOLE
        inb     $0x92, %al              # address line 20
        orb     $2, %al
        andb    $0xfe, %al
        outb    %al, $0x92
        lgdtl   %cs:(gdt_pointer - start)
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $0x08, $protected

        .code32
protected:
        movw    $0x10, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movl    $0x8000, %esp
        movb    $'P', %al
        outb    %al, $CONSOLE
        movl    $0x2007, 0x1000         # PML4[0] -> PDPT, user may pass
        movl    $0x3007, 0x2000         # PDPT[0] -> first GiB
        movl    $0x4003, 0x2018         # PDPT[3] -> fourth GiB
        movl    $0x3000, %edi           # 8 large pages: the first 16 MiB
        movl    $0x87, %eax
1:      movl    %eax, (%edi)
        addl    $0x200000, %eax
        addl    $8, %edi
        cmpl    $0x3040, %edi
        jne     1b
        movl    $(APIC & 0xffe00000) + 0x9b, 0x4000 + 503 * 8   # uncached
        movl    %cr4, %eax
        orl     $0x20, %eax             # PAE
        movl    %eax, %cr4
        movl    $0x1000, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx       # EFER.LME
        rdmsr
        orl     $0x100, %eax
        wrmsr
        movl    %cr0, %eax
        orl     $0x80000000, %eax       # PG
        movl    %eax, %cr0
        ljmpl   $0x18, $long

        .code64
long:
        movb    $'L', %al
        outb    %al, $CONSOLE
        movl    $1, %eax
        cpuid
        movl    %eax, %esi
        movb    $'C', %al
        outb    %al, $CONSOLE
        movl    %esi, %eax
        movl    $4, %ecx
1:      outb    %al, $CONSOLE
        shrl    $8, %eax
        loop    1b

        # The interrupt table: 256 gates to `unexpected`, then the five that are expected.
        movl    $0x5000, %edi
        movl    $256, %ecx
        leaq    unexpected(%rip), %rax
1:      call    gate
        loop    1b
        movl    $0x5000 + 14 * 16, %edi
        leaq    page_fault(%rip), %rax
        call    gate
        movl    $0x5000 + 0x20 * 16, %edi
        leaq    pit_tick(%rip), %rax
        call    gate
        movl    $0x5000 + 0x30 * 16, %edi
        leaq    apic_tick(%rip), %rax
        call    gate
        movl    $0x5000 + 0x80 * 16, %edi
        leaq    from_user(%rip), %rax
        call    gate
        movb    $0xee, 0x5000 + 0x80 * 16 + 5   # user mode may call this one
        lidt    idt_pointer(%rip)

        # Page faults: touch 8 unmapped large pages; the handler maps each.
        movl    $0x4000000, %edi
        movl    $8, %ecx
1:      movl    %ecx, (%rdi)
        cmpl    %ecx, (%rdi)
        jne     unexpected
        addl    $0x200000, %edi
        loop    1b
        movb    $'F', %al
        outb    %al, $CONSOLE

        # The descriptor table moves into memory, because loading the TSS marks it busy there.
        leaq    gdt(%rip), %rsi
        movl    $GDT, %edi
        movl    $gdt_pointer - gdt, %ecx
        rep movsb
        lgdt    gdt_pointer_2(%rip)

        # User mode: copy `user` into memory, go there with iretq, come back with int 0x80.
        movl    $0x8000, TSS + 4        # the stack for coming back
        movw    $0x67, TSS + 0x66       # no I/O bitmap
        movw    $0x30, %ax
        ltr     %ax
        leaq    user(%rip), %rsi
        movl    $0x9000, %edi
        movl    $user_end - user, %ecx
        rep movsb
        xorl    %ebx, %ebx
        pushq   $0x28 | 3               # ss
        pushq   $0x9000                 # rsp
        pushq   $2                      # flags
        pushq   $0x20 | 3               # cs
        pushq   $0x9000                 # rip
        iretq
after_user:
        movl    $0x8000, %esp
        cmpl    $0x600d, %ebx
        jne     unexpected
        movb    $'U', %al
        outb    %al, $CONSOLE

        # The old interrupt controller: moved to vectors 0x20.., all lines shut.
        movb    $0x11, %al
        outb    %al, $0x20
        outb    %al, $0xa0
        movb    $0x20, %al
        outb    %al, $0x21
        movb    $0x28, %al
        outb    %al, $0xa1
        movb    $4, %al
        outb    %al, $0x21
        movb    $2, %al
        outb    %al, $0xa1
        movb    $1, %al
        outb    %al, $0x21
        outb    %al, $0xa1
        movb    $0xff, %al
        outb    %al, $0x21
        outb    %al, $0xa1

        # The local APIC: enabled, the old controller's line passed through, five ticks of its own timer.
        movl    $APIC, %ebp
        movl    $0x1ff, 0xf0(%rbp)      # on; spurious vector 0xff
        movl    $0x700, 0x350(%rbp)     # LINT0: external interrupt
        movl    $0x0b, 0x3e0(%rbp)      # divide by 1
        movl    $0x20030, 0x320(%rbp)   # periodic, vector 0x30
        movl    $1000000, 0x380(%rbp)   # about 1 ms
        call    five_ticks
        movl    $0x10000, 0x320(%rbp)   # off
        movb    $'A', %al
        outb    %al, $CONSOLE

        # The old pair: only line 0 open, PIT at about 1000 Hz.
        movb    $0xfe, %al
        outb    %al, $0x21
        movb    $0x34, %al
        outb    %al, $0x43
        movb    $1193 & 0xff, %al
        outb    %al, $0x40
        movb    $1193 >> 8, %al
        outb    %al, $0x40
        call    five_ticks
        movb    $0xff, %al
        outb    %al, $0x21
        movb    $'T', %al
        outb    %al, $CONSOLE

        # The work: xorshift numbers that also wander through 1 MiB of memory. rom.rs computes the same.
        movb    $'W', %al
        outb    %al, $CONSOLE
        movl    $0x200000, %edi         # clear the table
        xorl    %eax, %eax
        movl    $0x100000 / 8, %ecx
        rep stosq
        movq    seed(%rip), %rax
        movl    $ROUNDS, %ecx
1:      movq    %rax, %rdx
        shlq    $13, %rdx
        xorq    %rdx, %rax
        movq    %rax, %rdx
        shrq    $7, %rdx
        xorq    %rdx, %rax
        movq    %rax, %rdx
        shlq    $17, %rdx
        xorq    %rdx, %rax
        movl    %eax, %edx
        andl    $0xffff8, %edx
        xorq    0x200000(%rdx), %rax
        movq    %rax, 0x200000(%rdx)
        decl    %ecx
        jnz     1b
        movq    %rax, %rsi
        movb    $'D', %al
        outb    %al, $CONSOLE
        movq    %rsi, %rax
        movl    $8, %ecx
1:      outb    %al, $CONSOLE
        shrq    $8, %rax
        loop    1b
        movb    $0x10, %al              # QEMU ends with status 0x21
        outb    %al, $EXIT
1:      cli
        hlt
        jmp     1b

unexpected:
        movb    $'X', %al
        outb    %al, $CONSOLE
        movb    $0x11, %al              # QEMU ends with status 0x23
        outb    %al, $EXIT
1:      cli
        hlt
        jmp     1b

gate:                                   # writes the gate for handler rax at rdi, moves rdi on
        movw    %ax, (%rdi)
        movw    $0x18, 2(%rdi)
        movw    $0x8e00, 4(%rdi)
        movq    %rax, %rdx
        shrq    $16, %rdx
        movw    %dx, 6(%rdi)
        addl    $16, %edi
        ret

five_ticks:
        movl    $0, TICKS
1:      sti
        hlt
        cli
        cmpl    $5, TICKS
        jb      1b
        ret

pit_tick:
        pushq   %rax
        incl    TICKS
        movb    $0x20, %al
        outb    %al, $0x20
        popq    %rax
        iretq

apic_tick:
        incl    TICKS
        movl    $0, 0xb0(%rbp)
        iretq

page_fault:                             # maps the large page of the faulting address
        pushq   %rax
        pushq   %rdx
        movq    %cr2, %rax
        movq    %rax, %rdx
        shrq    $21, %rdx
        cmpq    $32, %rdx               # 64 MiB.. only
        jb      unexpected
        cmpq    $40, %rdx
        jae     unexpected
        andl    $0xffe00000, %eax
        subl    $0x3800000, %eax        # on top of the memory at 8 MiB..
        orb     $0x83, %al
        movl    %eax, 0x3000(,%rdx,8)
        popq    %rdx
        popq    %rax
        addq    $8, %rsp                # the error code
        iretq

from_user:
        movl    8(%rsp), %eax           # cs must be the user's
        cmpl    $0x23, %eax
        jne     unexpected
        jmp     after_user

user:                                   # position independent; runs at 0x9000
        movl    $0x600d, %ebx
        int     $0x80
user_end:

        .balign 8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff      # 0x08 code 32
        .quad   0x00cf93000000ffff      # 0x10 data
        .quad   0x00af9b000000ffff      # 0x18 code 64
        .quad   0x00affb000000ffff      # 0x20 code 64, user
        .quad   0x00cff3000000ffff      # 0x28 data, user
        .quad   0x0000890060000067      # 0x30 TSS at 0x6000
        .quad   0
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   gdt
gdt_pointer_2:
        .word   gdt_pointer - gdt - 1
        .quad   GDT
idt_pointer:
        .word   0xfff
        .quad   0x5000
        .balign 8
seed:   .quad   0x0123456789abcdef      # the last 8 bytes; replaced by a random number for each proof
