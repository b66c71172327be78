#!/usr/bin/perl
# Writes tests/data/sentences.txt: random strings cut into sentences by Perl's own \b{sb} (UAX #29).
#
#     perl tests/golden/sentences.pl > tests/data/sentences.txt
#
# A line is a string as code points in hexadecimal, with "/" where a sentence ends inside it. The
# letters are of every value of Sentence_Break and have had it since Unicode 14, so that the version
# of Perl's tables does not matter. Full stops, closers and blanks are drawn more often, because the
# rules are about them.
use strict;
use warnings;
use utf8;

srand(29);
my %letters = (
    CR => [0x0D], LF => [0x0A], Sep => [0x85, 0x2028, 0x2029],
    Extend => [0x0300, 0x200D, 0x0903], Format => [0xAD, 0x2060],
    Sp => [0x20, 0x09, 0x3000], Lower => [0x61, 0xE9, 0x3B1], Upper => [0x41, 0xC9, 0x0416],
    OLetter => [0x5D0, 0x3042, 0x4E00], Numeric => [0x31, 0x0663], ATerm => [0x2E, 0xFF0E],
    SContinue => [0x2C, 0x3A, 0x3001], STerm => [0x21, 0x3F, 0x3002],
    Close => [0x22, 0x29, 0x201D], Other => [0x2B, 0x24, 0x1F600],
);
my @often = (qw(ATerm) x 6, qw(STerm) x 2, qw(Sp) x 5, qw(Close) x 3, qw(Lower) x 3, qw(Upper) x 3,
             qw(Numeric Extend SContinue) x 2);
my @all = (sort(keys %letters), @often);

for (1 .. 600) {
    my $n = 2 + int(rand(14));
    my $text = '';
    for (1 .. $n) {
        my $list = $letters{$all[int(rand(@all))]};
        $text .= chr($list->[int(rand(@$list))]);
    }
    my @out;
    for my $piece (split /\b{sb}/, $text) {
        push @out, join(' ', map { sprintf '%04X', ord } split //, $piece);
    }
    print join(' / ', @out), "\n";
}
