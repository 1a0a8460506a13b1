# Die Checkliste auf Deutsch. Kurze Sätze für Menschen unter Druck; höflich („Sie“).
# Was in `Gravis-Zeichen` steht, wird genau so eingetippt.

## Zahlen
decimal-mark = ,
size-mb = { $amount } MB
size-gb = { $amount } GB

## Die Seite
page-title = Ist dieser PC bereit für Ihren Arbeitsstick?
field-name = Ihr Name
field-pc = Welcher PC
field-date = Datum
first-heading = Zuerst
first-1 = PC ans Stromnetz anschließen und alle anderen Programme schließen.
first-2 = Ankreuzen, was stimmt. Dabei steht, wo Sie nachsehen.
first-3 = Stimmt etwas nicht, oder sind Sie unsicher: Rufen Sie heute Ihre IT an, nicht erst im Ernstfall.
section-ready = Vor dem Ernstfall
section-pc = Ihr PC
section-safety = Die Sicherheit Ihres PCs
how-to-find-out = So finden Sie es heraus:
system-windows = Windows
system-macos = Mac
system-linux = Linux
weight-wanted = (wünschenswert)
weight-partly = (nötig für: { $modes })
mode-vm = voller Arbeitsplatz
mode-container = leichter Arbeitsplatz
mode-remote-only = Fernzugriff
contact-heading = Ihre IT
contact-blank = Name und Telefon
self-report = Die Kreuze sind Ihre eigene Auskunft. Sie helfen Ihnen und Ihrer IT, bereit zu sein; sie beweisen nichts.

notice-heading = Was dieser Stick auf Ihrem PC ansieht, und was er nie ansieht
notice-looks = Er sieht an: Prozessor, Arbeitsspeicher, freien Platz, Laufwerke, USB-Anschluss, Strom, Uhr; das System und seine Version; ob Updates, Firewall, Virenschutz, Verschlüsselung, Bildschirmsperre und sicherer Start an sind; ob Sie Administrator sind; unter den laufenden Programmen die für Schutz und Fernsteuerung; ob das Netz geht.
notice-never = Er sieht nie an: Ihre Dokumente, Fotos, E-Mails, Passwörter, Browserverlauf oder Netzverkehr. Namen anderer Programme behält er nicht.
notice-sent = Nichts davon wird irgendwohin gesendet. Wenn Sie vom Stick starten, bleibt das Ergebnis verschlossen darauf, für Ihre IT.

## Vom Programm ausgefüllt
legend = [x] ja · [!] noch nicht · [?] nicht bekannt, bitte nachsehen · [ ] bitte selbst ankreuzen
state-no = noch nicht
state-unknown = nicht bekannt, bitte nachsehen
found = Gefunden: { $found }
found-none = nichts
found-days = { $days ->
    [0] heute
    [one] vor { $days } Tag
   *[other] vor { $days } Tagen
}
what-to-do = Was zu tun ist:
verdict-vm = Auf diesem PC läuft Ihr Arbeitsplatz in vollem Umfang.
verdict-container = Auf diesem PC läuft Ihr Arbeitsplatz in seiner leichten Form.
verdict-remote-only = Dieser PC eignet sich für den Fernzugriff. Der Arbeitsplatz selbst läuft darauf nicht.
verdict-none = Auf diesem PC läuft Ihr Arbeitsplatz noch nicht. Was zu tun ist, steht bei den Zeilen mit [!]. Ein anderer PC hilft oft am schnellsten.

## Vor dem Ernstfall
item-passphrase = Sie wissen Ihre Passphrase, und sie steht nirgends in der Nähe des Sticks.
item-phone = Die Telefonnummer Ihrer IT steht auf Papier, nicht nur im PC.
item-tried = Sie haben den Stick einmal in Ruhe auf diesem PC gestartet.
item-tried-how = START-HERE auf dem Stick sagt, wie.
item-power = Der PC hängt am Strom, oder sein Akku hat mindestens { $percent } %.
item-power-how = Akkuzeichen ansehen.
item-power-help = Schließen Sie den PC ans Stromnetz an.
item-network = Das Internet funktioniert auf diesem PC.
item-network-how = Eine neue Webseite öffnen.
item-network-help = Verbinden Sie den PC mit Ihrem Netz; verlangt es eine Anmeldung, öffnen Sie eine Webseite und melden sich an.
item-remote = { $kind ->
    [web] Diese Seite öffnet sich auf diesem PC: { $address }
    [desktop] Ihr Arbeitsplatz im Büro öffnet sich auf diesem PC: { $address }
    [tunnel] Das Firmennetz ist von diesem PC aus erreichbar: { $address }
   *[other] Ihre Arbeit ist von diesem PC aus erreichbar: { $address }
}
item-remote-how = So, wie Ihre IT es gezeigt hat.

## Ihr PC
item-processor = { $kind ->
    [x86_64] { $level ->
        [v2] Der Prozessor ist ein 64-Bit-Prozessor von Intel oder AMD, gebaut nach 2010.
        [v3] Der Prozessor ist ein 64-Bit-Prozessor von Intel oder AMD, gebaut nach 2015.
        [v4] Der Prozessor ist ein 64-Bit-Prozessor von Intel oder AMD mit AVX-512.
       *[other] Der Prozessor ist ein 64-Bit-Prozessor von Intel oder AMD.
    }
    [aarch64] Der Prozessor ist ein 64-Bit-ARM-Prozessor.
   *[other] Der Prozessor ist von dieser Art: { $architecture }
}
item-processor-windows = Einstellungen › System › Info
item-processor-macos = Apfelmenü › Über diesen Mac
item-processor-linux = `lscpu` eintippen
item-processor-help = Auf diesem PC läuft der Arbeitsplatz nicht; nehmen Sie einen anderen.
item-cores = { $cores ->
    [one] Er hat mindestens { $cores } Kern.
   *[other] Er hat mindestens { $cores } Kerne.
}
item-cores-windows = Strg+Umschalt+Esc › Leistung › CPU
item-cores-macos = Apfelmenü › Über diesen Mac
item-cores-linux = `nproc` eintippen
item-cores-help = Es wird langsam. Schließen Sie andere Programme, oder nehmen Sie einen neueren PC.
item-virtualization = Die Virtualisierung ist an.
item-virtualization-windows = Strg+Umschalt+Esc › Leistung › CPU
item-virtualization-macos = immer an
item-virtualization-linux = `lscpu` nennt VT-x oder AMD-V
item-virtualization-help = Ihre IT kann Ihnen sagen, wie Sie sie in den Firmware-Einstellungen des PCs einschalten.
item-memory = { $parts ->
    [total] { $total } Arbeitsspeicher sind da, { $free } davon frei.
    [total-light] { $total } Arbeitsspeicher sind da, { $free } davon frei ({ $light } für den leichten Arbeitsplatz).
    [light] { $free } Arbeitsspeicher sind frei ({ $light } für den leichten Arbeitsplatz).
   *[free] { $free } Arbeitsspeicher sind frei.
}
item-memory-windows = Strg+Umschalt+Esc › Leistung › Arbeitsspeicher
item-memory-macos = Aktivitätsanzeige › Speicher
item-memory-linux = `free -h` eintippen
item-memory-help = Schließen Sie andere Programme, vor allem Webbrowser, und sehen Sie noch einmal nach. Reicht das nicht, nehmen Sie einen anderen PC.
item-space = { $size } sind auf der Festplatte frei.
item-space-windows = Explorer › Dieser PC
item-space-macos = Apfelmenü › Über diesen Mac › Festplatten
item-space-linux = `df -h /tmp` eintippen
item-space-help = Löschen Sie Dateien, die Sie nicht brauchen, oder leeren Sie den Papierkorb.
item-port = Ein USB-Anschluss ist frei, am besten blau oder mit SS.
item-port-how = Am PC nachsehen.
item-port-help = Stecken Sie den Stick ohne Verteiler direkt in einen schnellen Anschluss. Bleibt er langsam, bitten Sie Ihre IT um einen anderen Stick.
item-programs = Die Programme, die der Stick braucht, sind da.
item-programs-how = `gobag check` auf dem Stick sagt es.
item-programs-help = Zeigen Sie Ihrer IT, was `gobag check` sagt: Es nennt, was fehlt.

## Die Sicherheit Ihres PCs
item-supported = Diese Version des Systems bekommt vom Hersteller noch Updates.
item-supported-windows = Start, `winver` eintippen: Windows 11
item-supported-macos = Apfelmenü › Über diesen Mac
item-supported-linux = Einstellungen › Info
item-supported-help = Wechseln Sie auf eine neuere Version des Systems, oder nehmen Sie einen anderen PC.
item-updates = { $days ->
    [one] Updates sind höchstens { $days } Tag alt, und keines wartet auf einen Neustart.
   *[other] Updates sind höchstens { $days } Tage alt, und keines wartet auf einen Neustart.
}
item-updates-windows = Einstellungen › Windows Update
item-updates-macos = Einstellungen › Softwareupdate
item-updates-linux = Software
item-updates-help = Installieren Sie die Updates und starten Sie den PC neu.
item-antivirus = { $days ->
    [one] Der Virenschutz ist an, höchstens { $days } Tag alt.
   *[other] Der Virenschutz ist an, höchstens { $days } Tage alt.
}
item-antivirus-windows = Start › Windows-Sicherheit
item-antivirus-macos = an, solange das System aktuell ist
item-antivirus-linux = Virenschutz öffnen
item-antivirus-help = Schalten Sie Ihren Virenschutz ein und lassen Sie ihn sich erneuern; haben Sie keinen, fragen Sie Ihre IT, welchen.
item-firewall = Die Firewall ist an.
item-firewall-windows = Start › Windows-Sicherheit
item-firewall-macos = Einstellungen › Netzwerk › Firewall
item-firewall-linux = `systemctl status ufw`
item-firewall-help = Schalten Sie die Firewall ein.
item-encryption = Die Festplatte des PCs ist verschlüsselt.
item-encryption-windows = Einstellungen › Datenschutz › Geräteverschlüsselung
item-encryption-macos = Einstellungen › Datenschutz › FileVault
item-encryption-linux = `lsblk`: „crypt“
item-encryption-help = Fragen Sie Ihre IT, wie Sie die Verschlüsselung einschalten, und sichern Sie vorher Ihre Dateien.
item-remote-control = Kein Programm zeigt anderen den Bildschirm (TeamViewer, AnyDesk …).
item-remote-control-how = Neben der Uhr.
item-remote-control-help = Schließen Sie diese Programme; entfernen Sie sie, wenn Sie sie nicht brauchen.
item-screen-lock = Der Bildschirm sperrt sich von selbst.
item-screen-lock-windows = Einstellungen › Sperrbildschirm
item-screen-lock-macos = Einstellungen › Sperrbildschirm
item-screen-lock-linux = Einstellungen › Datenschutz
item-screen-lock-help = Schalten Sie die Bildschirmsperre ein.
item-account = Sie arbeiten nicht als Administrator.
item-account-windows = Einstellungen › Konten › Ihre Infos
item-account-macos = Einstellungen › Benutzer & Gruppen
item-account-linux = `id -u` nennt nicht 0
item-account-help = Starten Sie den Stick aus Ihrem gewöhnlichen Konto, ohne `sudo`.
item-clock = Datum, Uhrzeit und Zeitzone stimmen.
item-clock-how = Mit einem Telefon vergleichen.
item-clock-help = Stellen Sie die Uhr, am besten auf „automatisch“.
item-secure-boot = Secure Boot ist eingeschaltet.
item-secure-boot-windows = Start, `msinfo32` eintippen
item-secure-boot-macos = an, wenn niemand es geändert hat
item-secure-boot-linux = `mokutil --sb-state` eintippen
item-secure-boot-help = Fragen Sie Ihre IT, bevor Sie etwas ändern: Es steht in den Firmware-Einstellungen des PCs.
item-confinement = Der Schutz vor fremden Programmen ist an.
item-confinement-windows = immer an
item-confinement-macos = Terminal: `csrutil status`
item-confinement-linux = `aa-enabled` oder `getenforce`
item-confinement-help = Fragen Sie Ihre IT, wie er wieder eingeschaltet wird.
