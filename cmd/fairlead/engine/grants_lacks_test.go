package main

// lack is what happens without a statement.
type lack struct {
	words   []string       // of the reason; none: the run goes on
	plan    string         // empty: tiny
	refused bool           // the template, not the run
	leaks   bool           // whoever may not end the fleet cannot prove its end
	unknown []string       // what Plan then does not know of the account
	instead []string       // what is tried instead, and denied as well
	change  func(document) // of the template besides
}

const denied = "not authorized to perform: "

// Functions that wait for a minute or more for what will not come.
func shortSetup(d document)   { d.function("setup")["Timeout"] = 12 }
func shortAim(d document)     { d.function("aim")["Timeout"] = 8 }
func shortBalance(d document) { d.function("balance")["Timeout"] = 10 }

// fallback is where the agent goes without the control channel (Systems Manager,
// "Reference: ec2messages, ssmmessages, and other API operations").
var fallback = []string{"ec2messages:GetEndpoint"}

// many is a run whose shards are executions of their own.
var many = with(tiny, `{"shards": 41, "load": {"kind": "burst", "requests": 41, "timeout": "2s"}}`)

// balancing is what happens when Balance lacks an action.
func balancing(state, action string) lack {
	return lack{plan: tinyALB, change: shortBalance, words: []string{state, denied + action}}
}

const (
	loadBalancing = "elasticloadbalancing:"
	linkedRole    = "role/aws-service-role/elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing"
)

// lacks tells of each statement what happens without it, and of some actions
// beside the first of their statement.
var lacks = map[string]lack{
	"plan: s3:GetObject runs":                            {words: []string{denied + "s3:PutObject", "plan.json"}},
	"plan: ec2:DescribeInstances":                        {unknown: []string{"vCPU quota", "Lambda concurrency", "t2.micro offered", "instance types", "free plan"}},
	"plan: ec2:DescribeInstances alone":                  {unknown: []string{"vCPU quota"}},
	"plan: ec2:DescribeInstanceTypes":                    {unknown: []string{"instance types", "free plan"}},
	"plan: ec2:DescribeInstanceTypeOfferings":            {unknown: []string{"t2.micro offered"}},
	"plan: lambda:GetAccountSettings":                    {unknown: []string{"Lambda concurrency"}},
	"plan: servicequotas:GetServiceQuota ec2/L-1216C47A": {unknown: []string{"vCPU quota"}},

	"launch: ec2:RunInstances instance":          {words: []string{"Launch of cluster1", denied + "ec2:RunInstances", "instance/"}},
	"launch: ec2:RunInstances launch-template":   {words: []string{denied + "ec2:RunInstances"}},
	"launch: ec2:RunInstances network-interface": {words: []string{denied + "ec2:RunInstances", "network-interface/"}},
	"launch: ec2:RunInstances image":             {words: []string{denied + "ec2:RunInstances", "image/"}},
	"launch: ec2:CreateTags instance":            {words: []string{denied + "ec2:CreateTags"}},
	"launch: iam:PassRole":                       {words: []string{denied + "iam:PassRole"}},
	"launch: ssm:GetParameters parameter/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64": {words: []string{denied + "ssm:GetParameters"}},
	"launch: s3:GetObject runs": {words: []string{"Launch of cluster1", denied + "s3:GetObject"}},
	"launch: s3:ListBucket":     {words: []string{"Launch of cluster1", denied + "s3:ListBucket"}},

	"setup: ssm:SendCommand document":                  {words: []string{"Setup of cluster1", denied + "ssm:SendCommand", "document/"}},
	"setup: ssm:SendCommand instance":                  {words: []string{"Setup of cluster1", denied + "ssm:SendCommand", "instance/"}},
	"setup: ssm:GetCommandInvocation":                  {words: []string{"Setup of cluster1", denied + "ssm:DescribeInstanceInformation"}},
	"setup: ssm:GetCommandInvocation alone":            {words: []string{"Setup of cluster1", denied + "ssm:GetCommandInvocation"}},
	"setup: s3:GetObject runs":                         {words: []string{"Setup of cluster1", denied + "s3:GetObject"}},
	"ready: ec2:DescribeInstances":                     {words: []string{"Ready failed", denied + "ec2:DescribeInstances"}},
	"ready: s3:GetObject runs":                         {words: []string{"Ready failed", denied + "s3:GetObject"}},
	"ready: elasticloadbalancing:DescribeTargetHealth": {plan: tinyALB, words: []string{"Ready failed", denied + loadBalancing + "DescribeTargetHealth"}},

	"balance: elasticloadbalancing:CreateLoadBalancer loadbalancer/app/fl-": balancing("BalanceCreate", loadBalancing+"CreateLoadBalancer"),
	"balance: elasticloadbalancing:CreateTargetGroup targetgroup/fl-":       balancing("BalanceCreate", loadBalancing+"CreateTargetGroup"),
	"balance: elasticloadbalancing:CreateListener loadbalancer/app/fl-":     balancing("BalanceCreate", loadBalancing+"CreateListener"),
	"balance: elasticloadbalancing:CreateRule listener/app/fl-":             balancing("BalanceCreate", loadBalancing+"CreateRule"),
	"balance: elasticloadbalancing:AddTags loadbalancer/app/fl-":            balancing("BalanceCreate", loadBalancing+"AddTags"),
	"balance: elasticloadbalancing:RegisterTargets targetgroup/fl-":         balancing("BalanceCreate", loadBalancing+"ModifyTargetGroupAttributes"),
	"balance: elasticloadbalancing:RegisterTargets":                         balancing("Register", loadBalancing+"RegisterTargets"),
	"balance: elasticloadbalancing:DescribeLoadBalancers":                   balancing("BalanceCreate", loadBalancing+"DescribeRules"),
	"balance: elasticloadbalancing:DescribeLoadBalancers alone":             balancing("BalanceWait", loadBalancing+"DescribeLoadBalancers"),
	"balance: ec2:DescribeAccountAttributes":                                balancing("BalanceCreate", "ec2:DescribeAccountAttributes"),
	"balance: ec2:DescribeInstances":                                        balancing("Register", "ec2:DescribeInstances"),
	"balance: iam:CreateServiceLinkedRole " + linkedRole:                    balancing("BalanceCreate", "iam:CreateServiceLinkedRole"),
	"balance: s3:GetObject runs":                                            balancing("BalanceCreate", "s3:GetObject"),
	"balance: s3:ListBucket":                                                balancing("BalanceCreate", "s3:ListBucket"),

	"aim: s3:GetObject runs":            {words: []string{"Prove failed", denied + "s3:GetObject"}},
	"aim: ec2:CreateNetworkInterface":   {refused: true, words: []string{denied + "ec2:CreateNetworkInterface"}},
	"shard: ec2:CreateNetworkInterface": {refused: true, words: []string{denied + "ec2:CreateNetworkInterface"}},
	"shard: s3:GetObject runs/*/trials": {words: []string{"1 of 1 shards left no tally", denied + "s3:GetObject"}},
	"merge: s3:GetObject runs":          {words: []string{"Merge failed", denied + "s3:GetObject"}},
	"merge: s3:ListBucket":              {words: []string{"Merge failed", denied + "s3:ListBucket"}},
	"judge: s3:GetObject runs":          {words: []string{"the report could not be written", denied + "s3:GetObject"}},
	"judge: s3:ListBucket":              {words: []string{"the report could not be written", denied + "s3:ListBucket"}},

	"teardown: ec2:TerminateInstances instance":                              {leaks: true, words: []string{denied + "ec2:TerminateInstances", "i-"}},
	"teardown: ec2:DescribeInstances":                                        {leaks: true, words: []string{denied + "ec2:DescribeInstances"}},
	"teardown: s3:GetObject runs":                                            {leaks: true, words: []string{denied + "s3:GetObject"}},
	"teardown: s3:ListBucket":                                                {leaks: true, words: []string{denied + "s3:ListBucket"}},
	"teardown: elasticloadbalancing:DeleteLoadBalancer loadbalancer/app/fl-": {plan: tinyALB, leaks: true, words: []string{denied + loadBalancing + "DeleteLoadBalancer", "loadbalancer/app/fl-"}},
	"teardown: elasticloadbalancing:DeleteTargetGroup targetgroup/fl-":       {plan: tinyALB, leaks: true, words: []string{denied + loadBalancing + "DeleteTargetGroup", "targetgroup/fl-"}},
	"teardown: elasticloadbalancing:DescribeLoadBalancers":                   {plan: tinyALB, leaks: true, words: []string{denied + loadBalancing + "DescribeLoadBalancers"}},
	"teardown: elasticloadbalancing:DescribeTargetGroups":                    {plan: tinyALB, leaks: true, words: []string{denied + loadBalancing + "DescribeTargetGroups"}},
	"teardown: elasticloadbalancing:DescribeListeners":                       {plan: tinyALB, leaks: true, words: []string{denied + loadBalancing + "DescribeListeners"}},

	"MachineRole: lambda:InvokeFunction":         {words: []string{denied + "lambda:InvokeFunction"}},
	"MachineRole: logs:CreateLogDelivery":        {refused: true, words: []string{denied + "logs:CreateLogDelivery"}},
	"MachineRole: states:StartExecution":         {plan: many, words: []string{"41 of 41 shards left no tally", denied + "states:StartExecution"}},
	"MachineRole: states:DescribeExecution":      {plan: many, words: []string{"41 of 41 shards left no tally", denied + "states:DescribeExecution"}},
	"MachineRole: xray:PutTraceSegments":         {}, // a lost trace is not told of, as on AWS
	"NodeRole: ssm:UpdateInstanceInformation":    {change: shortSetup, words: []string{"cluster1", "did not register with Systems Manager"}},
	"NodeRole: ssmmessages:CreateControlChannel": {change: shortSetup, instead: fallback, words: []string{"cluster1", "did not register with Systems Manager"}},
	"NodeRole: s3:GetObject assets/backend":      {words: []string{"Setup of cluster1", denied + "s3:GetObject"}},

	"ProxyRole: ssm:UpdateInstanceInformation":    {plan: tinyProxied, change: shortSetup, words: []string{"proxy", "did not register with Systems Manager"}},
	"ProxyRole: ssmmessages:CreateControlChannel": {plan: tinyProxied, change: shortSetup, instead: fallback, words: []string{"proxy", "did not register with Systems Manager"}},
	"ProxyRole: s3:GetObject assets/proxy":        {plan: tinyProxied, words: []string{"Setup of proxy", denied + "s3:GetObject"}},
	"ProxyRole: ec2:DescribeInstances":            {plan: tinyProxied, change: shortAim, words: []string{"Prove failed", "cluster1"}},
	"ProxyRole: cloudwatch:PutMetricData":         {plan: tinyProxied}, // the dashboard stays empty; no figure of the report comes from there

	"sweep: ec2:TerminateInstances instance":                              {words: []string{denied + "ec2:TerminateInstances"}},
	"sweep: ec2:DescribeInstances":                                        {words: []string{denied + "ec2:DescribeInstances"}},
	"sweep: s3:GetObject runs":                                            {words: []string{denied + "s3:"}},
	"sweep: s3:ListBucket":                                                {words: []string{denied + "s3:ListBucket"}},
	"sweep: states:DescribeExecution":                                     {words: []string{denied + "states:DescribeExecution"}},
	"sweep: states:ListExecutions":                                        {words: []string{denied + "states:ListExecutions"}},
	"sweep: elasticloadbalancing:DeleteLoadBalancer loadbalancer/app/fl-": {plan: tinyALB, words: []string{denied + loadBalancing + "DeleteLoadBalancer"}},
	"sweep: elasticloadbalancing:DeleteTargetGroup targetgroup/fl-":       {plan: tinyALB, words: []string{denied + loadBalancing + "DeleteTargetGroup"}},
	"sweep: elasticloadbalancing:DescribeLoadBalancers":                   {plan: tinyALB, words: []string{denied + loadBalancing + "DescribeLoadBalancers"}},
	"sweep: elasticloadbalancing:DescribeTargetGroups":                    {plan: tinyALB, words: []string{denied + loadBalancing + "DescribeTargetGroups"}},
	"sweep: elasticloadbalancing:DescribeListeners":                       {plan: tinyALB, words: []string{denied + loadBalancing + "DescribeListeners"}},
	"sweep: elasticloadbalancing:DescribeTags":                            {plan: tinyALB, words: []string{denied + loadBalancing + "DescribeTags"}},
	"sweep: cloudwatch:PutMetricData":                                     {words: []string{denied + "cloudwatch:PutMetricData"}},
}
