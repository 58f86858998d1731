// Extracts what it can of zips with Go's archive/zip, one after the other, and prints the names of what it
// extracted in the archives' order. Fails at the end when there was anything that it could not extract.
//
// Usage: extract [ARCHIVE DIR]...
//
// Reading an entry to its end is what makes the package compare length and CRC.
package main

import (
	"archive/zip"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	log.SetFlags(0)
	extractedAll := true
	for arguments := os.Args[1:]; len(arguments) > 1; arguments = arguments[2:] {
		extractedAll = extractAll(arguments[0], arguments[1]) && extractedAll
	}
	if !extractedAll {
		os.Exit(1)
	}
}

func extractAll(name, target string) bool {
	archive, err := zip.OpenReader(name)
	if err != nil {
		log.Printf("%s: %v", name, err)
		return false
	}
	defer archive.Close()
	extractedAll := true
	for _, entry := range archive.File {
		if err := extract(entry, filepath.Join(target, entry.Name)); err != nil {
			log.Printf("%s: %s: %v", name, entry.Name, err)
			extractedAll = false
		} else {
			fmt.Println(entry.Name)
		}
	}
	return extractedAll
}

func extract(entry *zip.File, path string) error {
	if strings.HasSuffix(entry.Name, "/") {
		return os.MkdirAll(path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	content, err := entry.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	bytes, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	return os.WriteFile(path, bytes, 0o644)
}
