// Package host runs emulated EC2 instances on this machine.
//
// An instance is a real process tree: a supervisor (local/host/supervisor) as
// process 1 of its own PID and mount namespace, with its own folder, its own
// loopback address, its own metadata service (local/host/imds) and a limit on
// its CPU time (local/host/cpu). Where the machine refuses namespaces or
// cgroups there are ways without them, and the metadata service says which.
// Memory is not limited: an instance type's size is shown and nothing more.
//
//	<Dir>/applet                       this binary, under the name that instances run
//	<Dir>/instances/<id>/bin/          the programs of the instance: aws, systemctl, …
//	<Dir>/instances/<id>/root/         its private /opt, /etc/systemd/system, /var/log, /tmp
//	<Dir>/instances/<id>/journal/      a text file per unit
//
// Nothing of an instance outlives the process that started it: the kernel kills
// the supervisor when that process dies, and its namespace with it. What the
// kernel does not clean (cgroups, folders) stands in a registry, and the next
// start calls Clean.
package host
