package steps

import (
	"context"
	"errors"
)

// patience is how many rounds in a row may fail. The client has retried each
// call already, so more of the same (AccessDenied, say) will not heal here.
const patience = 4

// untilGone repeats round, which looks and asks for what is left to be ended,
// until two in a row find nothing: what was started a moment ago may be listed
// a moment late. The end of ctx is an error only if the last round failed.
func untilGone(ctx context.Context, round func(context.Context) (left int, err error)) error {
	clean, failed := false, 0
	err := poll(ctx, func(ctx context.Context) (bool, error) {
		left, err := round(ctx)
		if err != nil {
			if failed++; failed < patience && ctx.Err() == nil {
				err = nil
			}
			return false, err
		}
		failed = 0
		done := left == 0 && clean
		clean = left == 0
		return done, nil
	})
	if errors.Is(err, context.DeadlineExceeded) && failed == 0 {
		return nil
	}
	return err
}
