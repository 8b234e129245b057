package http1

// isHost tells whether b is uri-host [":" port] (RFC 9110, section 7.2). An
// empty host is none: an http URI must have one (section 4.2.1).
func isHost(b []byte) bool {
	n := 0
	if len(b) > 0 && b[0] == '[' {
		for n < len(b) && b[n] != ']' {
			n++
		}
		if n == len(b) || !isIPv6(b[1:n]) {
			return false
		}
		n++
	} else {
		for n < len(b) && isHostChar[b[n]] {
			n++
		}
	}
	return n > 0 && (n == len(b) || b[n] == ':' && isPort(b[n+1:]))
}

// isPort takes an empty port as well: RFC 3986 does, as the scheme's own.
func isPort(b []byte) bool {
	n := 0
	for _, c := range b {
		if !isDigit(c) || n > 65535 {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= 65535
}

// isIPv6 follows RFC 4291, section 2.2: eight groups, of which "::" stands for
// one or more that are zero; the last two may be an IPv4 address. Zones are
// not for others to see.
func isIPv6(b []byte) bool {
	groups, gap := 0, false
	if len(b) >= 2 && b[0] == ':' && b[1] == ':' {
		gap, b = true, b[2:]
		if len(b) == 0 {
			return true
		}
	}
	for {
		n := 0
		for n < len(b) && isHex[b[n]] {
			n++
		}
		if n < len(b) && b[n] == '.' {
			groups += 2
			return isIPv4(b) && (groups == 8 && !gap || groups < 8 && gap)
		}
		groups++
		if n == 0 || n > 4 {
			return false
		}
		if n == len(b) {
			return groups == 8 && !gap || groups < 8 && gap
		}
		if b[n] != ':' {
			return false
		}
		b = b[n+1:]
		if len(b) > 0 && b[0] == ':' {
			if gap {
				return false
			}
			gap, b = true, b[1:]
			if len(b) == 0 {
				return groups < 8
			}
		}
	}
}

func isIPv4(b []byte) bool {
	for part := 1; ; part++ {
		n, value := 0, 0
		for n < len(b) && n < 4 && isDigit(b[n]) {
			value = value*10 + int(b[n]-'0')
			n++
		}
		if n == 0 || value > 255 || n > 1 && b[0] == '0' {
			return false
		}
		if n == len(b) {
			return part == 4
		}
		if b[n] != '.' || part == 4 {
			return false
		}
		b = b[n+1:]
	}
}
