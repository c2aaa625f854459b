// Executes every case of the files in cases/ with text/template and writes what comes out to
// expected.json. See README.md.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"text/template"
)

// A testCase is a template and what it is rendered with.
type testCase struct {
	Name      string          `json:"name"`
	Template  string          `json:"template"`
	Variables json.RawMessage `json:"variables"`
}

// An expectation is what Go makes of a case.
type expectation struct {
	Output *string `json:"output,omitempty"`
	Error  bool    `json:"error,omitempty"`
}

func main() {
	files, err := filepath.Glob("cases/*.json")
	check(err)
	sort.Strings(files)
	expected := map[string]expectation{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(err)
		var cases []testCase
		check(json.Unmarshal(text, &cases))
		for _, c := range cases {
			name := strings.TrimSuffix(filepath.Base(file), ".json") + "/" + c.Name
			if _, twice := expected[name]; twice {
				check(fmt.Errorf("two cases are called %s", name))
			}
			output, err := render(c)
			if err != nil {
				expected[name] = expectation{Error: true}
				if len(os.Args) > 1 {
					fmt.Println(name, "::", err)
				}
			} else {
				expected[name] = expectation{Output: &output}
			}
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	check(encoder.Encode(expected))
	check(os.WriteFile("expected.json", text.Bytes(), 0o644))
	fmt.Println(len(expected), "cases")
}

func render(c testCase) (string, error) {
	tmpl, err := template.New("prompt").Funcs(template.FuncMap{"default": orDefault}).Parse(c.Template)
	if err != nil {
		return "", err
	}
	if len(c.Variables) == 0 {
		c.Variables = json.RawMessage("{}")
	}
	decoder := json.NewDecoder(bytes.NewReader(c.Variables))
	decoder.UseNumber()
	var variables map[string]any
	check(decoder.Decode(&variables))
	var text bytes.Buffer
	err = tmpl.Execute(&text, numbers(variables))
	return text.String(), err
}

// orDefault is px0's own function: it replaces what is absent, null or an empty string.
func orDefault(fallback, value reflect.Value) reflect.Value {
	for value.IsValid() && value.Kind() == reflect.Interface {
		value = value.Elem()
	}
	if !value.IsValid() || value.Kind() == reflect.String && value.Len() == 0 {
		return fallback
	}
	return value
}

// numbers makes int64 of whole numbers that fit, and float64 of all others.
func numbers(value any) any {
	switch value := value.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(value.String(), 10, 64); err == nil {
			return i
		}
		f, err := value.Float64()
		check(err)
		return f
	case map[string]any:
		result := make(map[string]any, len(value))
		for key, item := range value {
			result[key] = numbers(item)
		}
		return result
	case []any:
		result := make([]any, len(value))
		for i, item := range value {
			result[i] = numbers(item)
		}
		return result
	}
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
