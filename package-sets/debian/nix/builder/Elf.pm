# Reads and changes what a 64-bit little-endian ELF file says about its loader and libraries.
#
# A change adds one segment at the end of the file, with the new strings, and gives it the program
# header of a note. Nothing that is in the file moves, so programs whose layout patchelf does not
# expect (Go's, for one) survive; no table grows. Names are those of the ELF specification.
package Elf;
use strict;
use warnings;

# Segment types.
use constant {
    PT_NULL => 0,
    PT_LOAD => 1,
    PT_DYNAMIC => 2,
    PT_INTERP => 3,
    PT_NOTE => 4,
    PT_GNU_PROPERTY => 0x6474e553,
    PT_PAX_FLAGS => 0x65041580,
};

# Tags of the dynamic section.
use constant {
    DT_NULL => 0,
    DT_NEEDED => 1,
    DT_STRTAB => 5,
    DT_STRSZ => 10,
    DT_RPATH => 15,
    DT_RUNPATH => 29,
};

# Section types.
use constant { SHT_PROGBITS => 1, SHT_STRTAB => 3, SHT_DYNAMIC => 6 };

my %machineOf = (amd64 => 62, arm64 => 183);    # EM_X86_64, EM_AARCH64
my %largestPageOf = (amd64 => 0x1000, arm64 => 0x10000);

my $programHeaderFormat = 'V V Q< Q< Q< Q< Q< Q<';
my @programHeaderFields = qw(type flags offset vaddr paddr filesz memsz align);
my $programHeaderSize = 56;
my $sectionHeaderSize = 64;
my $dynamicEntrySize = 16;

# {interpreter, path, needed, …} of a dynamically linked program or library of the architecture;
# undef for every other file: scripts, objects, static programs, other machines' programs.
sub readDynamic {
    my ($file, $architecture) = @_;
    open my $handle, '<:raw', $file or die "cannot read $file: $!\n";
    my $start = readAt($handle, 0, 64) // return;
    return unless $start =~ /^\x7fELF\x02\x01/;
    my ($type, $machine) = unpack 'x16 v v', $start;
    my ($isExecutable, $isShared) = ($type == 2, $type == 3);
    return unless ($isExecutable || $isShared) && $machine == $machineOf{$architecture};
    my ($tableOffset, $sectionsOffset) = unpack 'x32 Q< Q<', $start;
    my ($headerSize, $headerCount, $sectionSize, $sectionCount) = unpack 'x54 v v v v', $start;
    return unless $headerSize == $programHeaderSize;

    my @headers;
    for my $i (0 .. $headerCount - 1) {
        my $bytes = readAt($handle, $tableOffset + $i * $headerSize, $headerSize) // return;
        my %header;
        @header{@programHeaderFields} = unpack $programHeaderFormat, $bytes;
        push @headers, \%header;
    }
    my ($dynamic) = grep { $_->{type} == PT_DYNAMIC } @headers;
    return unless defined $dynamic;
    my $dynamicBytes = readAt($handle, $dynamic->{offset}, $dynamic->{filesz}) // return;
    my @entries;
    for my $bytes (unpack "(a$dynamicEntrySize)*", $dynamicBytes) {
        my ($tag, $value) = unpack 'Q< Q<', $bytes;
        last if $tag == DT_NULL;
        push @entries, [ $tag, $value ];
    }

    my $stringsAddress = valueOf(DT_STRTAB, @entries) // return;
    my $stringsOffset = fileOffset($stringsAddress, @headers) // return;
    my $strings = readAt($handle, $stringsOffset, valueOf(DT_STRSZ, @entries) // 0) // return;
    my $string = sub { unpack 'Z*', substr $strings, $_[0] };
    my $path = valueOf(DT_RUNPATH, @entries) // valueOf(DT_RPATH, @entries);
    my ($interpreter) = grep { $_->{type} == PT_INTERP } @headers;
    return {
        architecture => $architecture,
        tableOffset => $tableOffset,
        sections => { offset => $sectionsOffset, size => $sectionSize, count => $sectionCount },
        headers => \@headers,
        entries => \@entries,
        strings => $strings,
        stringsAddress => $stringsAddress,
        interpreter => $interpreter
        ? unpack('Z*', readAt($handle, $interpreter->{offset}, $interpreter->{filesz}) // '')
        : undef,
        path => defined $path ? $string->($path) : '',
        needed => [ map { $string->($_->[1]) } grep { $_->[0] == DT_NEEDED } @entries ],
    };
}

# Gives the file another interpreter (unless undef) and RUNPATH. False when no program header can
# be spared: then the file stays as it is.
sub change {
    my ($file, $elf, $interpreter, $path) = @_;
    my @headers = map { {%$_} } @{ $elf->{headers} };
    my $spared = spareHeader(@headers) // return 0;
    my $page = $largestPageOf{ $elf->{architecture} };
    my $offset = roundUp(-s $file, 8);
    my $address = roundUp(endOfMemory(@headers), $page) + $offset % $page;

    my $content = '';
    my @moves;    # [section type, old address, offset, address, size]
    my $append = sub {
        my ($sectionType, $oldAddress, $bytes) = @_;
        $content .= "\0" x (-length($content) % 8);
        my $at = length $content;
        $content .= $bytes;
        my $move = [ $sectionType, $oldAddress, $offset + $at, $address + $at, length $bytes ];
        push @moves, $move;
        return @$move[ 2, 3, 4 ];
    };
    my $relocate = sub {
        my ($header, $sectionType, $bytes) = @_;
        my ($newOffset, $newAddress, $size) = $append->($sectionType, $header->{vaddr}, $bytes);
        @$header{qw(offset vaddr paddr filesz memsz)} =
            ($newOffset, $newAddress, $newAddress, $size, $size);
    };

    if (defined $interpreter) {
        my ($header) = grep { $_->{type} == PT_INTERP } @headers;
        $relocate->($header, SHT_PROGBITS, "$interpreter\0");
    }

    my @entries = grep { $_->[0] != DT_RPATH && $_->[0] != DT_RUNPATH } @{ $elf->{entries} };
    if ($path ne '') {
        my $strings = "$elf->{strings}$path\0";
        my (undef, $newAddress, $size) =
            $append->(SHT_STRTAB, $elf->{stringsAddress}, $strings);
        @entries = map {
                $_->[0] == DT_STRTAB ? [ DT_STRTAB, $newAddress ]
              : $_->[0] == DT_STRSZ  ? [ DT_STRSZ, $size ]
              : $_
        } @entries;
        push @entries, [ DT_RUNPATH, length $elf->{strings} ];
    }
    my ($dynamic) = grep { $_->{type} == PT_DYNAMIC } @headers;
    my $dynamicBytes = join '', map { pack 'Q< Q<', @$_ } @entries, [ DT_NULL, 0 ];
    my $missing = $dynamic->{filesz} - length $dynamicBytes;
    my $fits = $missing >= 0;
    if ($fits) { $dynamicBytes .= "\0" x $missing }
    else { $relocate->($dynamic, SHT_DYNAMIC, $dynamicBytes) }

    # The loader writes into the dynamic section (DT_DEBUG), not into strings.
    my %load = (
        type => PT_LOAD,
        flags => $fits ? 4 : 6,
        offset => $offset,
        vaddr => $address,
        paddr => $address,
        filesz => length $content,
        memsz => length $content,
        align => $page,
    );
    @headers = insertLoad(\%load, grep { $_ != $spared } @headers);

    open my $handle, '+<:raw', $file or die "cannot change $file: $!\n";
    writeAt($handle, $elf->{tableOffset}, join '', map { packHeader($_) } @headers);
    writeAt($handle, $dynamic->{offset}, $dynamicBytes) if $fits;
    writeAt($handle, $offset, $content);
    moveSections($handle, $elf->{sections}, @moves);
    close $handle or die "cannot change $file: $!\n";
    return 1;
}

# What the loader can do without. Best a note whose content PT_GNU_PROPERTY covers too.
sub spareHeader {
    my @headers = @_;
    my ($property) = grep { $_->{type} == PT_GNU_PROPERTY } @headers;
    my @notes = sort {
        my ($first, $second) =
            map { defined $property && $_->{offset} == $property->{offset} ? 0 : 1 } $a, $b;
        $first <=> $second || $a->{offset} <=> $b->{offset}
    } grep { $_->{type} == PT_NOTE } @headers;
    my @empty = grep { $_->{type} == PT_NULL || $_->{type} == PT_PAX_FLAGS } @headers;
    return (@empty, @notes, $property // ())[0];
}

# Loadable segments are sorted by address, and ours is the highest.
sub insertLoad {
    my ($load, @headers) = @_;
    my ($last) = reverse grep { $headers[$_]{type} == PT_LOAD } 0 .. $#headers;
    splice @headers, $last + 1, 0, $load;
    return @headers;
}

# Section headers play no part at run time, but linkers and debuggers believe them.
sub moveSections {
    my ($handle, $sections, @moves) = @_;
    return unless $sections->{size} == $sectionHeaderSize;
    for my $i (0 .. $sections->{count} - 1) {
        my $at = $sections->{offset} + $i * $sectionHeaderSize;
        my $bytes = readAt($handle, $at, $sectionHeaderSize) // return;
        my ($type, $address) = unpack 'x4 V x8 Q<', $bytes;
        for my $move (@moves) {
            next unless $type == $move->[0] && $address == $move->[1];
            my (undef, undef, $newOffset, $newAddress, $size) = @$move;
            writeAt($handle, $at + 16, pack 'Q< Q< Q<', $newAddress, $newOffset, $size);
        }
    }
}

sub valueOf {
    my ($tag, @entries) = @_;
    my ($entry) = grep { $_->[0] == $tag } @entries;
    return $entry && $entry->[1];
}

sub fileOffset {
    my ($address, @headers) = @_;
    for (@headers) {
        next unless $_->{type} == PT_LOAD;
        my $distance = $address - $_->{vaddr};
        return $_->{offset} + $distance if $distance >= 0 && $distance < $_->{filesz};
    }
    return;
}

sub endOfMemory {
    my $end = 0;
    for (@_) {
        my $here = $_->{vaddr} + $_->{memsz};
        $end = $here if $_->{type} == PT_LOAD && $here > $end;
    }
    return $end;
}

sub packHeader { return pack $programHeaderFormat, @{ $_[0] }{@programHeaderFields} }

sub roundUp {
    my ($number, $step) = @_;
    return $number + (-$number % $step);
}

sub readAt {
    my ($handle, $offset, $size) = @_;
    seek $handle, $offset, 0 or return;
    my $bytes = '';
    my $count = read $handle, $bytes, $size;
    return defined $count && $count == $size ? $bytes : undef;
}

sub writeAt {
    my ($handle, $offset, $bytes) = @_;
    seek $handle, $offset, 0 or die "cannot seek: $!\n";
    print {$handle} $bytes or die "cannot write: $!\n";
}

1;
