// Package systemd reads unit files the way systemd does, as far as an emulated
// instance runs them: services and timers, with the command-line quoting, time
// spans and absolute calendar times that unit files use.
//
// It does no I/O beyond the bytes that it is given. What it does not know it
// refuses, naming the directive; hardening directives are understood but
// reported as not enforced, because a laptop's user has no right to enforce
// them. Sources: systemd.syntax(7), systemd.unit(5), systemd.service(5),
// systemd.exec(5), systemd.timer(5), systemd.time(7).
package systemd
