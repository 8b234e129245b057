package world

import (
	"math"
	"math/rand/v2"
)

// Cost draws the work of a request.
type Cost func(r *rand.Rand) float64

// Constant work.
func Constant(mean float64) Cost { return func(*rand.Rand) float64 { return mean } }

// Exponential work: σ = μ.
func Exponential(mean float64) Cost {
	return func(r *rand.Rand) float64 { return mean * r.ExpFloat64() }
}

// Lognormal work with this mean, its logarithm having the deviation sigma:
// σ/μ = √(e^sigma² − 1).
func Lognormal(mean, sigma float64) Cost {
	mu := math.Log(mean) - sigma*sigma/2
	return func(r *rand.Rand) float64 { return math.Exp(mu + sigma*r.NormFloat64()) }
}

// TruncatedNormal work: of a normal distribution with σ = μ the part above 0,
// scaled to this mean. It is Prequal's.
func TruncatedNormal(mean float64) Cost {
	// E[X | X > 0] of N(1, 1) is 1 + φ(1)/Φ(1).
	const whole = 1.2875999709391783
	return func(r *rand.Rand) float64 {
		for {
			if x := 1 + r.NormFloat64(); x > 0 {
				return x * mean / whole
			}
		}
	}
}
