# The checklist, in English: the language that every other one falls back to. Words of a person under stress; short.
# What stands in `backticks` is typed as it is. How to add a language: docs/checklists.md.

## Numbers
decimal-mark = .
size-mb = { $amount } MB
size-gb = { $amount } GB

## The page
page-title = Is this PC ready for your work stick?
field-name = Your name
field-pc = Which PC
field-date = Date
first-heading = Do this first
first-1 = Plug the PC into the mains and close all other programs.
first-2 = Tick what is true. With each line stands how to find out.
first-3 = If something is not true, or you are not sure: phone your IT today, not on the day itself.
section-ready = Before the day
section-pc = Your PC
section-safety = Your PC's safety
how-to-find-out = How to find out:
system-windows = Windows
system-macos = Mac
system-linux = Linux
weight-wanted = (good to have)
weight-partly = (needed for: { $modes })
mode-vm = full workstation
mode-container = light workstation
mode-remote-only = remote access
contact-heading = Your IT
contact-blank = Name and phone
self-report = Ticks are your own word. They help you and your IT to be ready; they prove nothing.

notice-heading = What this stick looks at on your PC, and what it never looks at
notice-looks = It looks at: processor, memory, free space, disks, USB port, power, clock; name and version of the system; whether updates, firewall, malware protection, encryption, screen lock and secure start are on; whether you are administrator; among running programs those for security and remote control; whether the network works.
notice-never = It never looks at: your documents, photos, mails, passwords, browser history or network traffic. Names of other programs are not kept.
notice-sent = Nothing of this is sent anywhere. When you start from the stick, the result is kept on it, locked, for your IT.

## Filled in by the program
legend = [x] yes · [!] not yet · [?] not known, please look · [ ] for you to tick
state-no = not yet
state-unknown = not known, please look
found = Found: { $found }
found-none = none
found-days = { $days ->
    [0] today
    [one] { $days } day ago
   *[other] { $days } days ago
}
what-to-do = What to do:
verdict-vm = This PC can run your workstation, in full.
verdict-container = This PC can run your workstation, in its light form.
verdict-remote-only = This PC can be used for remote access. It cannot run the workstation itself.
verdict-none = This PC cannot run your workstation yet. What to do stands at the lines marked [!]. Another PC is often the fastest help.

## Before the day
item-passphrase = You know your passphrase, and it is not written down near the stick.
item-phone = Your IT's phone number is on paper, not only in the PC.
item-tried = You have started the stick once on this PC, on a quiet day.
item-tried-how = START-HERE on the stick tells how.
item-power = The PC is plugged in, or its battery holds { $percent } % or more.
item-power-how = Look at the battery sign.
item-power-help = Plug the PC into the mains.
item-network = The internet works on this PC.
item-network-how = Open a new web page.
item-network-help = Connect to your network; if it asks for a login, open a web page and log in.
item-remote = { $kind ->
    [web] This page opens on this PC: { $address }
    [desktop] Your desktop at work opens on this PC: { $address }
    [tunnel] The company's network can be reached from this PC: { $address }
   *[other] Your work can be reached from this PC: { $address }
}
item-remote-how = Try it as your IT showed you.

## Your PC
item-processor = { $kind ->
    [x86_64] { $level ->
        [v2] The processor is a 64-bit one from Intel or AMD, made after 2010.
        [v3] The processor is a 64-bit one from Intel or AMD, made after 2015.
        [v4] The processor is a 64-bit one from Intel or AMD with AVX-512.
       *[other] The processor is a 64-bit one from Intel or AMD.
    }
    [aarch64] The processor is a 64-bit ARM processor.
   *[other] The processor is of this kind: { $architecture }
}
item-processor-windows = Settings › System › About
item-processor-macos = Apple menu › About This Mac
item-processor-linux = type `lscpu`
item-processor-help = This PC cannot run the workstation; use another one.
item-cores = { $cores ->
    [one] It has at least { $cores } core.
   *[other] It has at least { $cores } cores.
}
item-cores-windows = Ctrl+Shift+Esc › Performance › CPU
item-cores-macos = Apple menu › About This Mac
item-cores-linux = type `nproc`
item-cores-help = It will be slow. Close other programs, or use a newer PC.
item-virtualization = Virtualisation is on.
item-virtualization-windows = Ctrl+Shift+Esc › Performance › CPU
item-virtualization-macos = always on
item-virtualization-linux = `lscpu` says VT-x or AMD-V
item-virtualization-help = Your IT can tell you how to switch it on in the PC's firmware settings.
item-memory = { $parts ->
    [total] { $total } of memory is built in, and { $free } of it is free.
    [total-light] { $total } of memory is built in, and { $free } of it is free ({ $light } for the light workstation).
    [light] { $free } of memory is free ({ $light } for the light workstation).
   *[free] { $free } of memory is free.
}
item-memory-windows = Ctrl+Shift+Esc › Performance › Memory
item-memory-macos = Activity Monitor › Memory
item-memory-linux = type `free -h`
item-memory-help = Close other programs, above all web browsers, and look again. If that is not enough, use another PC.
item-space = { $size } is free on the disk.
item-space-windows = Explorer › This PC
item-space-macos = Apple menu › About This Mac › Storage
item-space-linux = type `df -h /tmp`
item-space-help = Delete files that you do not need, or empty the wastebasket.
item-port = A USB port is free, best a blue one or one marked SS.
item-port-how = Look at the PC.
item-port-help = Put the stick directly into a fast port of the PC, without a hub. If it stays slow, ask your IT for another stick.
item-programs = The programs that the stick needs are there.
item-programs-how = `gobag check` on the stick says so.
item-programs-help = Show your IT what `gobag check` says: it names what is missing.

## Your PC's safety
item-supported = This version of the system still gets updates from its maker.
item-supported-windows = Start, type `winver`: Windows 11
item-supported-macos = Apple menu › About This Mac
item-supported-linux = Settings › About
item-supported-help = Change to a newer version of the system, or use another PC.
item-updates = { $days ->
    [one] Updates are at most { $days } day old, and none waits for a restart.
   *[other] Updates are at most { $days } days old, and none waits for a restart.
}
item-updates-windows = Settings › Windows Update
item-updates-macos = Settings › General › Software Update
item-updates-linux = Software
item-updates-help = Install the updates and restart the PC.
item-antivirus = { $days ->
    [one] Protection against malware is on, and at most { $days } day old.
   *[other] Protection against malware is on, and at most { $days } days old.
}
item-antivirus-windows = Start › Windows Security
item-antivirus-macos = on while the system is up to date
item-antivirus-linux = open your scanner
item-antivirus-help = Switch your malware scanner on and let it renew itself; if you have none, ask your IT which one.
item-firewall = The firewall is on.
item-firewall-windows = Start › Windows Security
item-firewall-macos = Settings › Network › Firewall
item-firewall-linux = `systemctl status ufw`
item-firewall-help = Switch the firewall on.
item-encryption = The PC's disk is encrypted.
item-encryption-windows = Settings › Privacy & security › Device encryption
item-encryption-macos = Settings › Privacy › FileVault
item-encryption-linux = `lsblk`: “crypt”
item-encryption-help = Ask your IT how to switch encryption on, and copy your files first.
item-remote-control = No program lets somebody else see the screen (TeamViewer, AnyDesk …).
item-remote-control-how = Look near the clock.
item-remote-control-help = Close these programs; remove them if you do not need them.
item-screen-lock = The screen locks itself.
item-screen-lock-windows = Settings › Lock screen
item-screen-lock-macos = Settings › Lock Screen
item-screen-lock-linux = Settings › Privacy
item-screen-lock-help = Switch the screen lock on.
item-account = You do not work as administrator.
item-account-windows = Settings › Accounts › Your info
item-account-macos = Settings › Users & Groups
item-account-linux = `id -u` does not say 0
item-account-help = Start the stick from your ordinary account, without `sudo`.
item-clock = Date, time and time zone are right.
item-clock-how = Compare them with a phone.
item-clock-help = Set the clock, best to “automatically”.
item-secure-boot = Secure Boot is on.
item-secure-boot-windows = Start, type `msinfo32`
item-secure-boot-macos = on unless it was changed
item-secure-boot-linux = type `mokutil --sb-state`
item-secure-boot-help = Ask your IT before you change it: it stands in the PC's firmware settings.
item-confinement = The system's own protection of programs is on.
item-confinement-windows = always on
item-confinement-macos = Terminal: `csrutil status`
item-confinement-linux = `aa-enabled` or `getenforce`
item-confinement-help = Ask your IT how to switch it on again.
