// Package events is the local cloud's EventBridge, as far as templates use it:
// rules of the default bus with an event pattern, a rate(…) schedule or both,
// whose targets are Lambda functions.
//
// A pattern may ask for exact values, {"prefix": …}, {"exists": …} and
// {"anything-but": …}; any other matcher is refused when the rule is made.
// EventBridge delivers at least once and in no order; here each event goes to
// each matching target once, and the function's asynchronous queue tries a
// failed one twice more.
package events
