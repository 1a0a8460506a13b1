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
first-2 = Ankreuzen, was stimmt. Darunter steht jeweils, wo Sie nachsehen.
first-3 = Stimmt etwas nicht, oder sind Sie unsicher: Rufen Sie heute Ihre IT an, nicht erst an dem Tag, an dem Sie den Stick brauchen.
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
notice-looks = Er sieht an: Prozessor, Arbeitsspeicher, freien Platz, USB-Anschluss, Strom und Uhr; Name und Version des Systems; ob Updates, Firewall, Virenschutz, Festplattenverschlüsselung, Bildschirmsperre und sicherer Start eingeschaltet sind; ob Sie Administrator sind; Namen laufender Schutz- und Fernsteuerungsprogramme; ob das Netz funktioniert.
notice-never = Er sieht nie an: Ihre Dateien, Fotos, E-Mails, Passwörter, Ihren Browserverlauf, Ihren Netzverkehr oder die Liste Ihrer Programme.
notice-sent = Nichts davon wird irgendwohin gesendet.

## Vom Programm ausgefüllt
legend = [x] ja · [!] noch nicht · [?] nicht bekannt · [ ] bitte selbst ankreuzen
state-no = noch nicht
state-unknown = nicht bekannt
found = Gefunden: { $found }
found-none = nichts
found-days = { $days ->
    [one] vor { $days } Tag
   *[other] vor { $days } Tagen
}
what-to-do = Was zu tun ist:
look-yourself = Das ließ sich nicht herausfinden; bitte sehen Sie selbst nach.
verdict-vm = Auf diesem PC läuft Ihr Arbeitsplatz in vollem Umfang.
verdict-container = Auf diesem PC läuft Ihr Arbeitsplatz in seiner leichten Form.
verdict-remote-only = Dieser PC eignet sich für den Fernzugriff. Der Arbeitsplatz selbst läuft darauf nicht.
verdict-none = Auf diesem PC läuft Ihr Arbeitsplatz noch nicht. Was zu tun ist, steht bei den Zeilen mit [!]. Ein anderer PC hilft oft am schnellsten.

## Vor dem Ernstfall
item-passphrase = Sie wissen Ihre Passphrase, und sie steht nirgends in der Nähe des Sticks.
item-phone = Die Telefonnummer Ihrer IT steht auf Papier, nicht nur im PC.
item-tried = Sie haben den Stick an einem ruhigen Tag einmal auf diesem PC gestartet.
item-tried-how = START-HERE auf dem Stick öffnen und befolgen.
item-power = Der PC hängt am Stromnetz, oder sein Akku ist zu mindestens { $percent } % voll.
item-power-how = Das Akkuzeichen neben der Uhr ansehen.
item-power-help = Schließen Sie den PC ans Stromnetz an.
item-network = Das Internet funktioniert auf diesem PC.
item-network-how = Eine Webseite öffnen, die Sie heute noch nicht geöffnet haben.
item-network-help = Verbinden Sie den PC mit Ihrem Netz; verlangt es eine Anmeldung, öffnen Sie eine Webseite und melden sich an.
item-remote = { $kind ->
    [web] Diese Seite öffnet sich auf diesem PC: { $address }
    [desktop] Ihr Arbeitsplatz im Büro öffnet sich auf diesem PC: { $address }
    [tunnel] Das Firmennetz ist von diesem PC aus erreichbar: { $address }
   *[other] Ihre Arbeit ist von diesem PC aus erreichbar: { $address }
}
item-remote-how = So ausprobieren, wie Ihre IT es Ihnen gezeigt hat.

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
item-virtualization = Die Virtualisierung ist eingeschaltet.
item-virtualization-windows = Strg+Umschalt+Esc › Leistung › CPU
item-virtualization-macos = immer an
item-virtualization-linux = `lscpu` nennt VT-x oder AMD-V
item-virtualization-help = Ihre IT kann Ihnen sagen, wie Sie sie in den Firmware-Einstellungen des PCs einschalten.
item-memory = { $parts ->
    [total] Er hat mindestens { $total } Arbeitsspeicher, und { $free } davon sind frei.
    [total-light] Er hat mindestens { $total } Arbeitsspeicher, und { $free } davon sind frei ({ $light } für den leichten Arbeitsplatz).
    [light] { $free } Arbeitsspeicher sind frei ({ $light } für den leichten Arbeitsplatz).
   *[free] { $free } Arbeitsspeicher sind frei.
}
item-memory-windows = Strg+Umschalt+Esc › Leistung › Arbeitsspeicher, „Verfügbar“
item-memory-macos = Aktivitätsanzeige › Speicher
item-memory-linux = `free -h`, „verfügbar“
item-memory-help = Schließen Sie andere Programme, vor allem Webbrowser, und sehen Sie noch einmal nach. Reicht das nicht, nehmen Sie einen anderen PC.
item-space = { $size } sind auf der Festplatte frei.
item-space-windows = Explorer › Dieser PC
item-space-macos = Apfelmenü › Über diesen Mac › Festplatten
item-space-linux = `df -h /tmp` eintippen
item-space-help = Löschen Sie Dateien, die Sie nicht brauchen, oder leeren Sie den Papierkorb.
item-port = Ein USB-Anschluss ist frei und der Stick passt; am besten ein schneller (blau oder mit SS).
item-port-how = Seiten und Rückseite des PCs ansehen.
item-port-help = Stecken Sie den Stick ohne Verteiler direkt in einen schnellen Anschluss. Bleibt er langsam, bitten Sie Ihre IT um einen anderen Stick.
item-programs = Die Programme, die der Stick braucht, sind da.
item-programs-how = `gobag check` vom Stick starten; START-HERE sagt, wie.
item-programs-help = Zeigen Sie Ihrer IT, was `gobag check` sagt: Es nennt, was fehlt.

## Die Sicherheit Ihres PCs
item-supported = Der Hersteller versorgt diese Version des Systems noch mit Updates.
item-supported-windows = Start, `winver` eintippen: Windows 11
item-supported-macos = Apfelmenü › Über diesen Mac: eine der letzten drei Versionen
item-supported-linux = Einstellungen › Info
item-supported-help = Wechseln Sie auf eine neuere Version des Systems, oder nehmen Sie einen anderen PC.
item-updates = { $days ->
    [one] Er hat innerhalb des letzten Tages nach Updates gesucht, und keines wartet auf einen Neustart.
   *[other] Er hat in den letzten { $days } Tagen nach Updates gesucht, und keines wartet auf einen Neustart.
}
item-updates-windows = Einstellungen › Windows Update
item-updates-macos = Einstellungen › Allgemein › Softwareupdate
item-updates-linux = Software › Aktualisierungen
item-updates-help = Installieren Sie die Updates und starten Sie den PC neu.
item-antivirus = { $days ->
    [one] Der Virenschutz ist eingeschaltet und höchstens { $days } Tag alt.
   *[other] Der Virenschutz ist eingeschaltet und höchstens { $days } Tage alt.
}
item-antivirus-windows = Start › Windows-Sicherheit
item-antivirus-macos = an, solange das System aktuell ist
item-antivirus-linux = Ihr Virenschutzprogramm öffnen
item-antivirus-help = Schalten Sie Ihren Virenschutz ein und lassen Sie ihn sich erneuern; haben Sie keinen, fragen Sie Ihre IT, welchen.
item-firewall = Die Firewall ist eingeschaltet.
item-firewall-windows = Start › Windows-Sicherheit
item-firewall-macos = Einstellungen › Netzwerk › Firewall
item-firewall-linux = `systemctl status ufw firewalld`
item-firewall-help = Schalten Sie die Firewall ein.
item-encryption = Die eigene Festplatte des PCs ist verschlüsselt.
item-encryption-windows = Einstellungen › Datenschutz und Sicherheit › Geräteverschlüsselung
item-encryption-macos = Einstellungen › Datenschutz & Sicherheit › FileVault
item-encryption-linux = `lsblk` nennt „crypt“
item-encryption-help = Fragen Sie Ihre IT, wie Sie die Verschlüsselung einschalten, und sichern Sie vorher Ihre Dateien.
item-remote-control = Es läuft kein Programm, mit dem jemand anderes den Bildschirm sehen kann (TeamViewer, AnyDesk und ähnliche).
item-remote-control-how = Die kleinen Zeichen neben der Uhr ansehen.
item-remote-control-help = Schließen Sie diese Programme; entfernen Sie sie, wenn Sie sie nicht brauchen.
item-screen-lock = Der Bildschirm sperrt sich selbst, wenn Sie weggehen.
item-screen-lock-windows = Einstellungen › Personalisierung › Sperrbildschirm
item-screen-lock-macos = Einstellungen › Sperrbildschirm
item-screen-lock-linux = Einstellungen › Datenschutz › Bildschirmsperre
item-screen-lock-help = Schalten Sie die Bildschirmsperre ein.
item-account = Sie benutzen ein gewöhnliches Konto, nicht das des Administrators.
item-account-windows = Einstellungen › Konten › Ihre Infos
item-account-macos = Einstellungen › Benutzer & Gruppen
item-account-linux = `id -u` nennt nicht 0
item-account-help = Starten Sie den Stick aus Ihrem gewöhnlichen Konto, ohne `sudo`.
item-clock = Datum, Uhrzeit und Zeitzone stimmen.
item-clock-how = Mit einem Telefon vergleichen.
item-clock-help = Stellen Sie die Uhr, am besten auf „automatisch“.
item-secure-boot = Secure Boot (sicherer Start) ist eingeschaltet.
item-secure-boot-windows = Start, `msinfo32` eintippen
item-secure-boot-macos = an, wenn niemand es geändert hat
item-secure-boot-linux = `mokutil --sb-state` eintippen
item-secure-boot-help = Fragen Sie Ihre IT, bevor Sie etwas ändern: Es steht in den Firmware-Einstellungen des PCs.
item-confinement = Der systemeigene Schutz vor fremden Programmen ist eingeschaltet.
item-confinement-windows = immer an
item-confinement-macos = Terminal: `csrutil status`
item-confinement-linux = `aa-enabled` oder `getenforce`
item-confinement-help = Fragen Sie Ihre IT, wie er wieder eingeschaltet wird.
