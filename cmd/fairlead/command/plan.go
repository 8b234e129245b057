package command

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/internal/bench"
)

// readPlan reads the plan file, standard input ("-"), or the preset.
func readPlan(in io.Reader, args []string, preset string) (bench.Plan, []byte, error) {
	raw := []byte(`{}`)
	switch {
	case len(args) == 1 && preset != "":
		return bench.Plan{}, nil, badInput{fmt.Errorf("give a plan file or --preset, not both; the file may name its \"preset\"")}
	case preset != "":
		raw, _ = json.Marshal(map[string]string{"preset": preset})
	case len(args) == 1 && args[0] == "-":
		var err error
		if raw, err = io.ReadAll(in); err != nil {
			return bench.Plan{}, nil, badInput{fmt.Errorf("standard input: %w", err)}
		}
	case len(args) == 1:
		var err error
		if raw, err = os.ReadFile(args[0]); err != nil {
			return bench.Plan{}, nil, badInput{err}
		}
	}
	p, err := bench.ParsePlan(raw)
	if err != nil {
		if len(args) == 1 {
			source := args[0]
			if source == "-" {
				source = "standard input"
			}
			err = fmt.Errorf("%s: %w", source, err)
		}
		return bench.Plan{}, nil, err
	}
	return p, raw, nil
}

func planCommand(s IO) *cobra.Command {
	var preset string
	var asJSON, schema bool
	cmd := &cobra.Command{
		Use:   "plan [plan.json]",
		Short: "Show what a plan would run, how long and at what cost; writes nothing",
		Args:  atMostOne("plan file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if schema {
				_, err := s.Out.Write(bench.PlanSchema())
				return err
			}
			p, _, err := readPlan(cmd.InOrStdin(), args, preset)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(s.Out)
				enc.SetIndent("", "  ")
				return enc.Encode(struct {
					Plan    bench.Plan    `json:"plan"`
					Arms    []bench.Arm   `json:"arms"`
					Trials  []bench.Trial `json:"trials"`
					Minutes float64       `json:"minutes"`
					Cost    bench.Cost    `json:"cost"`
				}{p, p.Arms(), p.Trials(), p.EstimateTime().Minutes(), p.EstimateCost()})
			}
			return PrintPlan(s.Out, p)
		},
	}
	presetFlag(cmd, &preset)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the full plan, its trials and its cost as JSON")
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of a plan")
	return cmd
}

// PrintPlan says what a plan would run, how long and at what cost.
func PrintPlan(out io.Writer, p bench.Plan) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, g := range p.Groups() {
		t, _ := bench.TypeOf(g.InstanceType)
		fmt.Fprintf(w, "%s\t%d × %s\t%d vCPU\t$%.4f an hour\n", g.Name, g.Count, g.InstanceType, g.Count*t.VCPUs, float64(g.Count)*t.USD)
	}
	if n := len(p.ALBs()); n > 0 {
		listeners := "1 listener"
		if n > 1 {
			listeners = fmt.Sprintf("%d listeners", n)
		}
		fmt.Fprintf(w, "alb\t1 load balancer\t%s\t$%.4f an hour and LCUs\n", listeners, bench.BalancerUse{}.HourlyUSD())
	}
	arms := p.Arms()
	fmt.Fprintf(w, "\nload\t%s\n", describeLoad(p.Load, p.Shards))
	for i, a := range arms {
		label := ""
		if i == 0 {
			label = "arms"
		}
		fmt.Fprintf(w, "%s\t%s\n", label, a.Name)
	}
	fmt.Fprintf(w, "trials\t%d: %d blocks of %d arms, order drawn from seed %d\n", p.Blocks*len(arms), p.Blocks, len(arms), p.Seed)
	cost := p.EstimateCost()
	fmt.Fprintf(w, "\non AWS\tabout %.0f minutes and $%.2f (%s, prices of %s; refused above $%.2f)\n", p.EstimateTime().Minutes(), cost.USD, cost.Region, cost.PricesFrom, p.MaxUSD)
	for _, i := range cost.Items {
		fmt.Fprintf(w, "\t%s\t%s\t$%.4f\n", i.What, i.Amount(), i.USD)
	}
	if cost.USD > p.MaxUSD {
		fmt.Fprintf(w, "\nrefused\tthe estimate is above maxUSD; use fewer blocks or smaller clusters, or raise maxUSD\n")
	}
	return w.Flush()
}

func describeLoad(l bench.Load, shards int) string {
	var s string
	switch l.Kind {
	case bench.LoadBurst:
		s = bench.Grouped(l.Requests) + " requests at once"
	case bench.LoadRate:
		s = fmt.Sprintf("%g requests a second (%s) for %v", l.Rate, l.Arrivals, time.Duration(l.Duration))
	case bench.LoadClosed:
		s = fmt.Sprintf("%d requests in flight for %v", l.Concurrency, time.Duration(l.Duration))
	}
	return fmt.Sprintf("%s, from %d shards, timeout %v", s, shards, time.Duration(l.Timeout))
}
