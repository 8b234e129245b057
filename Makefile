# The habits of this repository; `make help` lists them.
GOLANGCI := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.13.2
# cdk compiles the very large CDK bindings and starts Node.js: it is tested apart, without the race detector.
PACKAGES = $(shell go list ./... | grep -v '/cdk$$')

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## Run the lab on this machine
	go run ./cmd/fairlead run

.PHONY: smoke
smoke: ## Run the smoke preset on this machine
	go run ./cmd/fairlead run --preset smoke

.PHONY: test
test: ## Run all tests, as the README says
	go test ./...

.PHONY: race
race: ## Run all tests with the race detector (cdk without)
	go test -race $(PACKAGES)
	go test ./cdk

.PHONY: check
check: format vet lint tidy ## What CI checks besides the tests

.PHONY: format
format: ## Fail on files that gofmt would change
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }

.PHONY: vet
vet: ## Run go vet
	go vet ./...

.PHONY: lint
lint: ## Run golangci-lint with .golangci.yml
	$(GOLANGCI) run ./...

.PHONY: tidy
tidy: ## Fail if go.mod or go.sum are not tidy
	go mod tidy -diff

.PHONY: golden
golden: ## Renew the golden files: templates (needs Node.js), plan schema
	go test ./cdk -update
	go test ./internal/bench -update

.PHONY: synth
synth: ## Synthesize what cdk deploy creates; a warning fails (needs Node.js)
	npx --yes aws-cdk@2.1148.1 synth --quiet --strict

# Up to Go 1.26 a run may end in "context deadline exceeded" as its time is up,
# without having found anything (go.dev/issue/75804): that is no failure.
.PHONY: fuzz
fuzz: ## Fuzz each decoder for ten seconds
	@for t in $$(grep -rlE '^func Fuzz' --include='*_test.go' .); do \
	  for f in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/p' $$t); do \
	    echo "$$f"; log=$$(go test -run '^$$' -fuzz "^$$f$$" -fuzztime 10s ./$$(dirname $$t) 2>&1) || case "$$log" in \
	      *"Failing input"*) echo "$$log"; exit 1;; \
	      *"context deadline exceeded"*) echo "  its end met go.dev/issue/75804, nothing failed";; \
	      *) echo "$$log"; exit 1;; esac; done; done
