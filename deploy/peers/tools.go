//go:build tools

// Package tools keeps the program that get-peers builds in the module graph.
package tools

import _ "github.com/influxdata/telegraf/cmd/telegraf"
